using System.Globalization;

namespace Kvasir.Test.Support;

/// <summary>Models of which memory holds a part alone: how little will do, and what they answer.</summary>
public static class StreamedAnswers
{
    /// <summary>What the refusal of too little names.</summary>
    public static long LeastBytes(string path)
    {
        var message = Assert.Throws<KvasirException>(() => Model.Load(path, new ModelOptions { Repack = false, MemoryBytes = 1 })).Message;
        var end = message.IndexOf(" at least", StringComparison.Ordinal);
        return long.Parse(message[(message.LastIndexOf(' ', end - 1) + 1)..end], CultureInfo.InvariantCulture);
    }

    /// <summary>Two answers side by side, one of them behind a prompt of several steps: tokens, and every bit of their log-probabilities.</summary>
    public static string Of(Model model)
    {
        // However slow the machine is, steps have the same rows: packed matrices round by how many there are.
        using var engine = new Engine(
            model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20, ContextTokens = 256, BatchTokens = 40, StepMs = 60_000 });
        var vocabulary = model.Config.VocabularySize;
        int[] longer = [.. Enumerable.Range(0, 100).Select(i => 3 + (i * 7 % (vocabulary - 3)))];
        var answers = Generation.RunAll(engine, [(longer, Generation.Greedy(20)), ([5, 9, 11], Generation.Greedy(40))]);
        Assert.All(answers, static answer => Assert.Null(answer.Sequence.Failure));
        return string.Join('\n', answers.Select(static answer =>
            $"{string.Join(' ', answer.Tokens)} {string.Join(' ', answer.Logprobs.Select(static value => BitConverter.SingleToUInt32Bits(value)))}"));
    }
}
