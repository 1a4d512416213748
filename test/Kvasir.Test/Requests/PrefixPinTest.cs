using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Requests.Scheduling;

namespace Kvasir.Test.Requests;

/// <summary>What is pinned stays, whatever else wants the memory, as long as somebody wants it, and never more than may.</summary>
public sealed class PrefixPinTest : IDisposable
{
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 64 << 20, BatchTokens = 64, MaxSequences = 3, PrefixCache = true };
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public PrefixPinTest() =>
        _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Range(0, 120).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    public void Dispose() => _model.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void APinnedPromptOutlivesWhatWouldHaveEvictedIt(bool isPinned)
    {
        // Columns for one other prompt at a time beside it.
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(14) });
        var pin = new PrefixPin();
        var first = Compute(engine, 0, isPinned ? pin : null);
        Assert.Equal(isPinned ? 192 : 0, pin.TokenCount);
        for (var other = 1; other < 6; other++)
        {
            Compute(engine, other);
            engine.Verify();
        }

        Assert.Equal((isPinned ? 192L : 0, true), (engine.Prefixes.PinnedTokens, engine.Prefixes.EvictedColumns > 0));
        var again = Compute(engine, 0);
        Assert.Equal(isPinned ? 192 : 0, again.Sequence.CachedTokens);
        again.AssertEquals(first, 1e-3, "behind what was pinned");
    }

    [Fact]
    public void WhatIsReleasedGoesAgain()
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(14) });
        var pin = new PrefixPin();
        Compute(engine, 0, pin);
        pin.Release();
        pin.Release();
        Assert.Equal((true, 0), (pin.IsReleased, pin.TokenCount));
        for (var other = 1; other < 4; other++)
            Compute(engine, other);
        engine.Verify();
        Assert.Equal((0, 0), (engine.Prefixes.PinnedTokens, Compute(engine, 0).Sequence.CachedTokens));
    }

    [Fact]
    public void ALifetimeBeginsWithThePinAndEndsIt()
    {
        var clock = new VirtualTime();
        using var engine = new Engine(_model, Options with { Time = clock });
        var pin = new PrefixPin(TimeSpan.FromMinutes(5));
        Assert.Null(pin.Until);
        clock.Advance(TimeSpan.FromHours(1));
        Compute(engine, 0, pin);
        Assert.InRange(pin.Until!.Value, DateTimeOffset.UtcNow, DateTimeOffset.UtcNow + TimeSpan.FromMinutes(5));
        clock.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromMilliseconds(1));
        engine.Step();
        Assert.Equal((192, 192L), (pin.TokenCount, engine.Prefixes.PinnedTokens));
        clock.Advance(TimeSpan.FromMilliseconds(1));
        engine.Step();
        Assert.Equal((true, 0L, 192L), (pin.IsReleased, engine.Prefixes.PinnedTokens, engine.Prefixes.IdleTokens));
        Assert.Throws<KvasirException>(() => new PrefixPin(TimeSpan.Zero));
    }

    // Two prompts of six columns, of which the first four are the same: eight are pinned.
    [Fact]
    public void RowsThatSeveralPinCountOnceAndMoreThanMayBePinnedIsRefused()
    {
        using var engine = new Engine(_model, Options with { KvMemoryBytes = Columns(40), PinnedShare = 0.25 });
        int[] second = [.. Prompt(0)[..128], .. _text[700..770]];
        var (one, two, three, four) = (new PrefixPin(), new PrefixPin(), new PrefixPin(), new PrefixPin());
        Compute(engine, 0, one);
        Compute(engine, second, two);
        Assert.Equal((192, 192, 256L), (one.TokenCount, two.TokenCount, engine.Prefixes.PinnedTokens));
        var refused = Compute(engine, 1, three).Sequence;
        Assert.Equal((FinishReason.Failed, KvasirError.KvMemoryExceeded, 0), (refused.Finish, refused.Failure!.Error, three.TokenCount));
        Assert.Contains("to pin the prompt of 200 tokens takes", refused.Failure.Message, StringComparison.Ordinal);
        var never = Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(_text.AsSpan(0, 400), Generation.Greedy(1)) { Pin = four }));
        Assert.Equal(KvasirError.KvMemoryExceeded, never.Error);
        one.Release();
        engine.Step();
        engine.Verify();
        Assert.Equal(192, engine.Prefixes.PinnedTokens);
        two.Release();
        Assert.Equal(192, Pinned(1, three));

        int Pinned(int text, PrefixPin pin)
        {
            var sequence = Compute(engine, text, pin).Sequence;
            Assert.Equal(FinishReason.Length, sequence.Finish);
            engine.Verify();
            return pin.TokenCount;
        }
    }

    [Fact]
    public void WhatCannotBePinnedIsRefusedWithTheReason()
    {
        using var engine = new Engine(_model, Options);
        using var without = new Engine(_model, Options with { PrefixCache = false });
        Assert.Contains("at least 32", Refusal(engine, _text[..31], Generation.Greedy(1)), StringComparison.Ordinal);
        Assert.Contains("prefix cache", Refusal(without, Prompt(0), Generation.Greedy(1)), StringComparison.Ordinal);
        Assert.Contains("prefix cache", Refusal(engine, Prompt(0), Generation.Greedy(1) with { Cache = false }), StringComparison.Ordinal);
        Assert.Throws<KvasirException>(() => new Engine(_model, Options with { PinnedShare = double.NaN }));

        static string Refusal(Engine engine, int[] prompt, GenerationOptions options) =>
            Assert.Throws<KvasirException>(() => engine.Submit(new Sequence(prompt, options) { Pin = new PrefixPin() })).Message;
    }

    private static long Columns(int count) => count * 20 * 2L * 32 * RowCodec.F32.RowBytes(8);

    private int[] Prompt(int text) => _text[(230 * text)..((230 * text) + 200)];

    private Generation Compute(Engine engine, int text, PrefixPin? pin = null) => Compute(engine, Prompt(text), pin);

    private static Generation Compute(Engine engine, int[] prompt, PrefixPin? pin) =>
        Generation.RunAll(engine, [new Sequence(prompt, Generation.Greedy(8)) { Pin = pin }])[0];
}
