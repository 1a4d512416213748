using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Test.Requests;

/// <summary>Models with two sets of rotary factors: which set a sequence takes, and that rows of one are never another's.</summary>
public sealed class LongRopeTest : IDisposable
{
    private const int Original = 128;
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 16 << 20, BatchTokens = 64, PrefixCache = true };
    private readonly Model _model = Model.Synthetic(Shape(longFactor: 3), SyntheticWeights.BF16);

    public void Dispose() => _model.Dispose();

    // The rows of a long sequence are those of a model that has the long factors alone, and of a short one those of a model without.
    [Fact]
    public void TheMostTokensOfASequenceChooseItsFactors()
    {
        using var near = Model.Synthetic(Shape(longFactor: 1), SyntheticWeights.BF16);
        using var far = Model.Synthetic(Shape(longFactor: 3, shortFactor: 3), SyntheticWeights.BF16);
        Assert.Equal(Logits(near, 24), Logits(_model, 24));
        Assert.Equal(Logits(far, 25), Logits(_model, 25));
        Assert.NotEqual(Logits(_model, 24), Logits(_model, 25));
    }

    [Fact]
    public void RowsOfOneSetAreNotReusedForTheOther()
    {
        using var engine = new Engine(_model, Options);
        Assert.Equal(0, Run(engine, 8).CachedTokens);
        Assert.Equal(0, Run(engine, 60).CachedTokens);
        Assert.Equal(96, Run(engine, 8).CachedTokens);
        Assert.Equal(96, Run(engine, 60).CachedTokens);
    }

    [Fact]
    public void ASharedPromptIsOfOneSet()
    {
        using var engine = new Engine(_model, Options);
        var shared = new SharedPrompt(Prompt.AsSpan(0, 64));
        engine.Submit(new Sequence(Prompt, Generation.Greedy(8)) { Shared = shared });
        var refused = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(Prompt, Generation.Greedy(60)) { Shared = shared }));
        Assert.Contains($"other side of {Original} tokens", refused.Message, StringComparison.Ordinal);
        Assert.Contains("come to 164", refused.Message, StringComparison.Ordinal);
    }

    private static int[] Prompt { get; } = [.. Enumerable.Range(0, 104).Select(static i => (i * 37) % 200)];

    private static Sequence Run(Engine engine, int maxTokens)
    {
        var sequence = new Sequence(Prompt, Generation.Greedy(maxTokens));
        engine.Submit(sequence);
        while (engine.Step())
            Assert.Null(sequence.Failure);
        return sequence;
    }

    private static float[] Logits(Model model, int maxTokens)
    {
        var first = Array.Empty<float>();
        using var engine = new Engine(model, Options);
        engine.Submit(new Sequence(
            Prompt, Generation.Greedy(maxTokens) with { IgnoreEnd = true, Logits = (_, logits) => first = first.Length == 0 ? logits.ToArray() : first }));
        while (engine.Step())
        {
        }

        return first;
    }

    private static SyntheticShape Shape(float longFactor, float shortFactor = 1)
    {
        var tiny = SyntheticShape.Parse("tiny");
        float[] Factors(float factor) => [.. Enumerable.Repeat(factor, tiny.Config.Rope.Dim / 2)];
        var rope = tiny.Config.Rope with { OriginalContextTokens = Original, FrequencyFactors = Factors(shortFactor), LongFrequencyFactors = Factors(longFactor) };
        return tiny with { Config = tiny.Config with { Rope = rope } };
    }
}
