using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Requests.Scheduling;

namespace Kvasir.Test.Requests;

/// <summary>What is worth keeping for a time goes after all others as long as that lasts, and never more than may be kept so.</summary>
public sealed class KeptPrefixTest : IDisposable
{
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, BatchTokens = 64, MaxSequences = 1, PrefixCache = true };
    private readonly VirtualTime _clock = new();
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public KeptPrefixTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 160).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    public void Dispose() => _model.Dispose();

    // Memory for two prompts and a half.
    [Theory]
    [InlineData(0, 0)]
    [InlineData(130, 128)]
    [InlineData(int.MaxValue, 192)]
    public void WhatIsKeptOutlivesWhatCameLaterUntilItsTimeIsOver(int tokens, int found)
    {
        using var engine = Engine(16, share: 0.5);
        KeptPrefix[] keep = tokens == 0 ? [] : [new KeptPrefix(tokens, TimeSpan.FromMinutes(5))];
        var first = Compute(engine, 0, keep);
        Assert.Equal(found, engine.Prefixes.KeptTokens);
        ComputeOthers(engine);
        _clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromMilliseconds(1));
        var again = Compute(engine, 0);
        Assert.Equal(found, again.Sequence.CachedTokens);
        again.AssertEquals(first, 1e-3, "behind what was kept");

        // Whoever finds it begins its time anew.
        _clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromMilliseconds(1));
        ComputeOthers(engine);
        Assert.Equal(found, engine.Prefixes.KeptTokens);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        ComputeOthers(engine);
        Assert.Equal((0, 0L), (Compute(engine, 0).Sequence.CachedTokens, engine.Prefixes.KeptTokens));
        engine.Verify();
    }

    // An answer of 40 tokens behind 200: seven columns in all.
    [Fact]
    public void AWholeSequenceIsKeptWithItsAnswer()
    {
        using var engine = Engine(40, share: 0.5);
        Generation.Run(engine, Prompt(0), Generation.Greedy(40) with { Keep = [KeptPrefix.Whole(TimeSpan.FromHours(1))] });
        Assert.Equal(7 * 32, engine.Prefixes.KeptTokens);
    }

    // Of 16 columns four may be kept: of the second prompt, which is worth more, all four, and the first loses its end before its beginning.
    [Fact]
    public void MoreThanMayBeKeptGoesFromThoseWithTheLeastTimeLeft()
    {
        using var engine = Engine(16, share: 0.28);
        Compute(engine, 0, new KeptPrefix(100, TimeSpan.FromMinutes(5)));
        Assert.Equal(96, engine.Prefixes.KeptTokens);
        Compute(engine, 1, new KeptPrefix(70, TimeSpan.FromHours(1)));
        Assert.Equal(128, engine.Prefixes.KeptTokens);
        ComputeOthers(engine);
        Assert.Equal((64, 64), (Compute(engine, 0).Sequence.CachedTokens, Compute(engine, 1).Sequence.CachedTokens));
        Compute(engine, 2, new KeptPrefix(200, TimeSpan.FromMinutes(1)));
        Assert.Equal(128, engine.Prefixes.KeptTokens);
        ComputeOthers(engine);
        Assert.Equal(0, Compute(engine, 2).Sequence.CachedTokens);
        engine.Verify();
    }

    // Of 16 columns six may be kept. One tenant keeps all of them for a day, and the other needs three for five minutes.
    [Fact]
    public void NoTenantIsKeptOutByAnotherThatKeepsMoreForLonger()
    {
        using var engine = Engine(16, share: 0.4);
        Compute(engine, 0, "greedy", new KeptPrefix(200, TimeSpan.FromDays(1)));
        Assert.Equal(192, engine.Prefixes.KeptTokens);
        Compute(engine, 1, "modest", new KeptPrefix(100, TimeSpan.FromMinutes(5)));
        Compute(engine, 2, "greedy", new KeptPrefix(200, TimeSpan.FromDays(2)));
        Compute(engine, 3, "modest", new KeptPrefix(100, TimeSpan.FromMinutes(1)));
        Assert.Equal(192, engine.Prefixes.KeptTokens);
        for (var other = 5; other < 10; other++)
            Compute(engine, other, "greedy");
        Assert.Equal(96, Compute(engine, 1, "modest").Sequence.CachedTokens);
        engine.Verify();
    }

    [Fact]
    public void WhoNeedsTheMemoryGetsWhatIsKeptLast()
    {
        using var engine = Engine(16, share: 1);
        Compute(engine, 0, KeptPrefix.Whole(TimeSpan.FromHours(1)));
        var longer = Generation.Run(engine, _text[300..740], Generation.Greedy(8)).Sequence;
        Assert.Equal((FinishReason.Length, true), (longer.Finish, engine.Prefixes.KeptTokens < 192));
        engine.Verify();
    }

    [Fact]
    public void WhatCannotBeKeptIsRefusedByName()
    {
        using var engine = Engine(16, share: 0.5);
        Assert.Contains("beginning that is kept", Refusal([new KeptPrefix(0, TimeSpan.FromMinutes(1))]), StringComparison.Ordinal);
        Assert.Contains("the time that a beginning is kept", Refusal([new KeptPrefix(1, TimeSpan.Zero)]), StringComparison.Ordinal);
        Assert.Contains("beginnings that are kept", Refusal([.. Enumerable.Repeat(KeptPrefix.Whole(TimeSpan.FromMinutes(1)), 17)]), StringComparison.Ordinal);
        Assert.Throws<KvasirException>(() => new Engine(_model, Options with { KeptShare = 1.5 }));

        string Refusal(KeptPrefix[] keep) =>
            Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(Prompt(0), Generation.Greedy(1) with { Keep = keep }))).Message;
    }

    private Engine Engine(int columns, double share) =>
        new(_model, Options with { Time = _clock, KvMemoryBytes = columns * 20 * 2L * 32 * RowCodec.F32.RowBytes(8), KeptShare = share });

    private int[] Prompt(int text) => _text[(230 * text)..((230 * text) + 200)];

    private void ComputeOthers(Engine engine)
    {
        for (var other = 5; other < 10; other++)
            Compute(engine, other);
    }

    private Generation Compute(Engine engine, int text, params KeptPrefix[] keep) => Compute(engine, text, "", keep);

    private Generation Compute(Engine engine, int text, string tenant, params KeptPrefix[] keep) =>
        Generation.Run(engine, Prompt(text), Generation.Greedy(8) with { Keep = keep, Tenant = tenant });
}
