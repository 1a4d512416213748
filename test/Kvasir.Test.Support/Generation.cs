namespace Kvasir.Test.Support;

/// <summary>Runs requests through an engine on the bundled model, for tests of the engine's parts.</summary>
internal sealed class Generation
{
    public const string Opening = "Once upon a time";

    private Generation(Sequence sequence, IReadOnlyList<GeneratedToken> pieces)
    {
        (Sequence, Pieces) = (sequence, pieces);
        Tokens = [.. pieces.Where(piece => piece.Token >= 0).Select(piece => piece.Token)];
        Logprobs = [.. pieces.Where(piece => piece.Token >= 0).Select(piece => piece.Logprob)];
        Text = string.Concat(pieces.Select(piece => piece.Text));
    }

    public Sequence Sequence { get; }

    public IReadOnlyList<GeneratedToken> Pieces { get; }

    public int[] Tokens { get; }

    public float[] Logprobs { get; }

    public string Text { get; }

    public static Model LoadStories() => Model.Load("stories260K");

    public static GenerationOptions Greedy(int maxTokens) =>
        new() { MaxTokens = maxTokens, Sampling = SamplingOptions.Greedy, TopLogprobs = 0, IgnoreEnd = true };

    /// <summary>Submits every prompt before the first step, and steps until all have ended.</summary>
    public static Generation[] RunAll(Engine engine, IEnumerable<(int[] Prompt, GenerationOptions Options)> requests) =>
        RunAll(engine, [.. requests.Select(static request => new Sequence(request.Prompt, request.Options))]);

    public static Generation[] RunAll(Engine engine, Sequence[] sequences)
    {
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        while (engine.Step())
            engine.Verify();
        return [.. sequences.Select(Read)];
    }

    public static Generation Run(Engine engine, int[] prompt, GenerationOptions options, SharedPrompt? shared = null) => RunAll(engine, [new Sequence(prompt, options) { Shared = shared }])[0];

    public static Generation Run(Model model, EngineOptions engineOptions, int[] prompt, GenerationOptions options)
    {
        using var engine = new Engine(model, engineOptions);
        return Run(engine, prompt, options);
    }

    public static Generation Read(Sequence sequence)
    {
        var pieces = new List<GeneratedToken>();
        while (sequence.TryRead(out var piece))
            pieces.Add(piece);
        return new Generation(sequence, pieces);
    }

    /// <summary>Equal tokens, and log-probabilities within <paramref name="tolerance"/>.</summary>
    public void AssertEquals(Generation other, double tolerance, string what)
    {
        if (!Tokens.SequenceEqual(other.Tokens))
            Assert.Fail($"{what}: tokens {string.Join(' ', Tokens)} and {string.Join(' ', other.Tokens)}");
        for (var i = 0; i < Logprobs.Length; i++)
        {
            if (!(Math.Abs(Logprobs[i] - other.Logprobs[i]) <= tolerance))
                Assert.Fail($"{what}: log-probability {Logprobs[i]} and {other.Logprobs[i]} at {i}");
        }
    }
}
