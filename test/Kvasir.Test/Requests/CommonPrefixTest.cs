using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>What is pinned for all is found by every tenant, and what each puts behind it by nobody else.</summary>
public sealed class CommonPrefixTest : IDisposable
{
    private const int PinnedTokens = 128;
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = 64, MaxSequences = 2, PrefixCache = true };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public CommonPrefixTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 60).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EveryTenantFindsItAndGoesOnAlone(bool isCommon)
    {
        using var engine = new Engine(_model, Options);
        var pin = new PrefixPin { IsCommon = isCommon };
        Generation.RunAll(engine, [new Sequence(_text.AsSpan(0, PinnedTokens), Generation.Greedy(1) with { Tenant = "admin" }) { Pin = pin }]);
        var common = isCommon ? PinnedTokens : 0;
        Assert.Equal((PinnedTokens, common, common), (pin.TokenCount, Cached(engine, "a", 300), Cached(engine, "b", 250)));
        // 300 tokens of a's and 250 of b's are in columns of their own; no more of a prompt is taken than leaves a token.
        Assert.Equal((288, 224, common), (Cached(engine, "a", 300), Cached(engine, "b", 300), Cached(engine, "c", 300)));
        Assert.Equal((common, 288), (Cached(engine, "a", 310, "salt"), Cached(engine, "a", 310)));
        engine.Verify();
        pin.Release();
        engine.Step();
        engine.Verify();
        Assert.Equal(0, engine.Prefixes.PinnedTokens);
    }

    [Fact]
    public void ItsAnswerIsTheColdOne()
    {
        using var engine = new Engine(_model, Options);
        using var cold = new Engine(_model, Options with { PrefixCache = false });
        Pin(engine);
        for (var turn = 0; turn < 2; turn++)
        {
            var answer = Generation.Run(engine, _text[..300], Generation.Greedy(20) with { Tenant = "a" });
            Assert.True(answer.Sequence.CachedTokens >= PinnedTokens);
            answer.AssertEquals(Generation.Run(cold, _text[..300], Generation.Greedy(20)), 1e-3, $"turn {turn}");
        }
    }

    // Found 224 tokens of its own against 128 of everyone's; another has none.
    [Fact]
    public void TheLongerMatchWins()
    {
        using var engine = new Engine(_model, Options);
        Assert.Equal(0, Cached(engine, "a", 250));
        Pin(engine);
        Assert.Equal((224, PinnedTokens), (Cached(engine, "a", 250), Cached(engine, "b", 250)));
        engine.Verify();
    }

    // Where another tenant's prompts go on is nobody's to know.
    [Fact]
    public void WhereAPromptLeavesWhatIsEverybodysNothingIsSaidOfOthers()
    {
        using var engine = new Engine(_model, Options);
        Pin(engine);
        Cached(engine, "a", 300);
        int[] alike = [.. _text[..140], .. _text[400..450]];
        Assert.Null(Generation.Run(engine, alike, Generation.Greedy(1) with { Tenant = "b" }).Sequence.DivergedAt);
    }

    // Those who begin alike at the same time, behind what is everybody's: one computes, and the other goes on with its columns, if they are of one tenant.
    [Theory]
    [InlineData("a", 192)]
    [InlineData("b", 128)]
    public void WhoComesTogetherSharesWithinATenantAlone(string other, int cached)
    {
        using var engine = new Engine(_model, Options);
        Pin(engine);
        Sequence[] both = [.. ((string[])["a", other]).Select(tenant => new Sequence(_text.AsSpan(0, 200), Generation.Greedy(4) with { Tenant = tenant }))];
        Generation.RunAll(engine, both);
        Assert.Equal([PinnedTokens, cached], both.Select(static one => one.CachedTokens));
        engine.Verify();
    }

    private void Pin(Engine engine)
    {
        Generation.RunAll(engine, [new Sequence(_text.AsSpan(0, PinnedTokens), Generation.Greedy(1)) { Pin = new PrefixPin { IsCommon = true } }]);
        Assert.Equal(PinnedTokens, engine.Prefixes.PinnedTokens);
    }

    private int Cached(Engine engine, string tenant, int tokens, string? salt = null) =>
        Generation.Run(engine, _text[..tokens], Generation.Greedy(1) with { Tenant = tenant, CacheSalt = salt }).Sequence.CachedTokens;
}
