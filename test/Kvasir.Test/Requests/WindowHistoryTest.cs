using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>
/// Prompts that part from each other anywhere, side by side and in little memory, so that windows of beginnings and whole columns come and go: every answer is
/// the one that its prompt has alone.
/// </summary>
public sealed class WindowHistoryTest
{
    private const int MostTokens = 420;
    private const int Requests = 10;
    private static readonly EngineOptions Roomy = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, ContextTokens = 1024, BatchTokens = 64 };

    [Fact]
    public void AnswersAreThoseOfPromptsAlone() => Play(rounds: 1);

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ManyAnswersAreThoseOfPromptsAlone()
    {
        var (found, evicted) = Play(rounds: 15);
        Assert.True(found > 0 && evicted > 0, $"{found} tokens were found, {evicted} columns went: this shows less than it says");
    }

    private static (long Found, long Evicted) Play(int rounds)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var (found, evicted) = (0L, 0L);
        for (var round = 0; round < rounds; round++)
        {
            using var model = WindowedModel.Make(random.Next(1, 100), random.Next(2, 7));
            using var cold = new Engine(model, Roomy);
            var shape = model.Config.Attention;
            var row = cold.Plan.KvRowBytes * shape.KvHeadCount;
            var one = row * ((shape.FullLayerCount * MostTokens) + ((shape.LayerCount - shape.FullLayerCount) * (200 + shape.WindowTokens!.Value)));
            using var tight = new Engine(model, Roomy with { PrefixCache = true, BatchTokens = random.Next(16, 65), KvMemoryBytes = (long)(one * (1.3 + (2 * random.NextDouble()))) });
            var prompts = new List<int[]>();
            while (prompts.Count < Requests)
            {
                var together = Enumerable.Range(0, random.Next(1, 4)).Select(_ => Prompt(random, prompts)).ToArray();
                prompts.AddRange(together);
                var answers = Generation.RunAll(tight, together.Select(static prompt => (prompt, Generation.Greedy(6))));
                foreach (var (prompt, answer) in together.Zip(answers))
                    AssertAlike(Generation.Run(cold, prompt, Generation.Greedy(6)), answer, $"window {shape.WindowTokens}, prompt {prompts.Count}, round {round}, seed {seed}");
                found += answers.Sum(static answer => (long)answer.Sequence.CachedTokens);
            }

            evicted += tight.Prefixes.EvictedColumns;
        }

        return (found, evicted);
    }

    // Most part from one that came before.
    private static int[] Prompt(Random random, List<int[]> before)
    {
        int[] start = before.Count > 0 && random.Next(4) > 0 && before[random.Next(before.Count)] is var other ? other[..random.Next(1, other.Length + 1)] : [];
        var tail = random.Next(1, MostTokens - Math.Min(start.Length, MostTokens - 20));
        return [.. start, .. Enumerable.Range(0, tail).Select(_ => random.Next(WindowedModel.Vocabulary))];
    }

    // Where two tokens are as likely as each other, rounding decides.
    private static void AssertAlike(Generation expected, Generation actual, string what)
    {
        Assert.Null(actual.Sequence.Failure);
        for (var i = 0; i < expected.Tokens.Length; i++)
        {
            Assert.True(Math.Abs(expected.Logprobs[i] - actual.Logprobs[i]) < 5e-4, $"{what}: {expected.Logprobs[i]} and {actual.Logprobs[i]} at {i}");
            if (expected.Tokens[i] != actual.Tokens[i])
                return;
        }
    }
}
