using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Requests;

/// <summary>The beginning of a prompt that is computed once.</summary>
public sealed class SharedPromptTest : IDisposable
{
    private const int PromptTokens = 200;
    private const int SharedTokens = 128;

    private static readonly string[] Policies =
    [
        "dense", "streaming:sinks=2,recent=14,min-context=0", "quest:page=8,recent=8,dense-layers=none,min-context=0", "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0",
        "psa:block=4,unit=layer,sinks=4,recent=4,coverage=0.5,min-context=0", "magicpig:min-context=0", "h2o:heavy=0.1,newest=0.1,min-context=0", "alisa:min-context=0", "guarded:min-context=0",
        "topk:share=0.1,min-context=0",
    ];

    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public SharedPromptTest() => _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..PromptTokens];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("f32")]
    [InlineData("bf16")]
    [InlineData("q8")]
    [InlineData("int8")]
    public void PoliciesOneAfterAnotherFindWhatTheyWouldAlone(Kv type)
    {
        using var engine = new Engine(_model, Options(type));
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, shared);
        var alone = Policies.ToDictionary(static policy => policy, policy => Alone(type, policy));
        foreach (var policy in Policies.Concat(Policies.Reverse()))
        {
            var (expected, actual) = (alone[policy], Run(engine, shared, policy));
            Assert.Equal((SharedTokens, SharedTokens), (expected.Sequence.CachedTokens, actual.Sequence.CachedTokens));
            Assert.Equal(expected.Tokens, actual.Tokens);
            Assert.Equal(expected.Logprobs, actual.Logprobs);
            Assert.Equal(expected.Sequence.ReadsByLayer(), actual.Sequence.ReadsByLayer());
        }

        shared.Release();
        engine.Step();
        engine.Verify();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void WhatIsSharedChangesNothing()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, shared);
        foreach (var policy in Policies)
        {
            // What an index knows of rows that are shared, it has from them alone, whether they were there or not.
            var own = new SharedPrompt(_text.AsSpan(0, SharedTokens));
            var (expected, actual) = (Run(engine, own, policy), Run(engine, shared, policy));
            own.Release();
            Assert.Equal((0, SharedTokens), (expected.Sequence.CachedTokens, actual.Sequence.CachedTokens));
            actual.AssertEquals(expected, 1e-3, policy);
            Assert.Equal(expected.Sequence.DecodedCount, actual.Sequence.DecodedCount);
            // Tokens that are nearly as good as others may be chosen otherwise.
            var (before, after) = (Share(expected.Sequence), Share(actual.Sequence));
            Assert.True(Math.Abs(before - after) < 0.01, $"{policy}: {before} of the keys read alone, {after} behind a shared prompt");
        }
    }

    [Theory]
    [InlineData("f32")]
    [InlineData("int8")]
    public void SequencesSideBySideReadTheSamePages(Kv type)
    {
        using var engine = new Engine(_model, Options(type) with { MaxSequences = 3 });
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, shared);
        var kept = engine.KvBytesInUse;
        Assert.Equal(PageBytes(engine, SharedTokens), kept);
        string[] policies = ["dense", "quest:page=8,recent=8,dense-layers=none,min-context=0", "h2o:heavy=0.1,newest=0.1,min-context=0"];
        var sequences = policies.Select(policy => Sequence(shared, policy)).ToArray();
        foreach (var sequence in sequences)
            engine.Submit(sequence);
        var most = 0L;
        while (engine.Step())
        {
            engine.Verify();
            most = Math.Max(most, engine.KvBytesInUse);
        }

        // Each has 92 rows of its own: three pages.
        Assert.Equal(kept + (3 * PageBytes(engine, 92)), most);
        Assert.Equal([SharedTokens, SharedTokens, SharedTokens], sequences.Select(static one => one.CachedTokens));
        Assert.Equal((kept, SharedTokens), (engine.KvBytesInUse, shared.RowCount));
        foreach (var (policy, sequence) in policies.Zip(sequences))
            Assert.Equal(Run(engine, shared, policy).Tokens, Generation.Read(sequence).Tokens);
    }

    [Fact]
    public void ReleasedRowsStayForThoseThatUseThem()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, shared);
        var user = Sequence(shared, "dense");
        engine.Submit(user);
        for (var i = 0; i < 3; i++)
            engine.Step();
        shared.Release();
        engine.Verify();
        Assert.Equal((0, SharedTokens), (shared.RowCount, user.CachedTokens));
        while (engine.Step())
            engine.Verify();
        Assert.Equal((0, 0L), (shared.RowCount, engine.KvBytesInUse));
        Assert.Equal(Run(engine, null, "dense").Tokens, Generation.Read(user).Tokens);
    }

    [Fact]
    public void ThePreemptedBeginAgainWithTheSharedRows()
    {
        // 11 pages a head: four are shared, and two answers of 40 tokens behind 72 more need four each.
        using var roomy = new Engine(_model, Options(KvFormat.F32));
        var limit = PageBytes(roomy, 32) * 11;
        using var engine = new Engine(_model, Options(KvFormat.F32) with { KvMemoryBytes = limit, MaxSequences = 2 });
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, shared);
        Sequence[] both = [.. Enumerable.Range(0, 2).Select(_ => new Sequence(_text, Generation.Greedy(40)) { Shared = shared })];
        foreach (var one in both)
            engine.Submit(one);
        var preempted = false;
        while (engine.Step())
        {
            engine.Verify();
            preempted |= both[1].GeneratedCount > 0 && both[1].CachedCount == 0 && both[1].Finish == FinishReason.None;
        }

        Assert.True(preempted);
        Assert.Equal([SharedTokens, SharedTokens], both.Select(static one => one.CachedTokens));
        var alone = Generation.Run(roomy, _text, Generation.Greedy(40));
        foreach (var one in both)
            Generation.Read(one).AssertEquals(alone, 1e-3, "preempted");
        shared.Release();
        engine.Step();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void WhoObservesMoreThanTheRestComputesThatItself()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var shared = new SharedPrompt(_text.AsSpan(0, 160));
        Compute(engine, shared);
        Assert.Equal(128, Run(engine, shared, "h2o:heavy=0.1,newest=0.1,observed=41,min-context=0").Sequence.CachedTokens);
        Assert.Equal(160, Run(engine, shared, "h2o:heavy=0.1,newest=0.1,observed=40,min-context=0").Sequence.CachedTokens);
        Assert.Equal(160, shared.RowCount);
        // One token is needed to tell the next.
        var whole = new SharedPrompt(_text.AsSpan(0, 192));
        Compute(engine, whole);
        Assert.Equal(160, Generation.Run(engine, _text[..192], Generation.Greedy(2), whole).Sequence.CachedTokens);
        Assert.Equal(192, Generation.Run(engine, _text[..193], Generation.Greedy(2), whole).Sequence.CachedTokens);
    }

    [Fact]
    public void RowsAreLeftAsSoonAsTheyAreComputedWhateverBecomesOfTheirSequence()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32) with { BatchTokens = 140 });
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        var cancelled = Sequence(shared, "dense");
        engine.Submit(cancelled);
        engine.Step();
        Assert.Equal((SharedTokens, 140), (shared.RowCount, cancelled.CachedCount));
        cancelled.Cancel();
        engine.Step();
        Assert.Equal((FinishReason.Cancelled, SharedTokens), (cancelled.Finish, shared.RowCount));
        var user = Sequence(shared, "dense");
        engine.Submit(user);
        engine.Step();
        user.Cancel();
        engine.Step();
        engine.Verify();
        Assert.Equal((SharedTokens, PageBytes(engine, SharedTokens)), (shared.RowCount, engine.KvBytesInUse));
        Assert.Equal(Run(engine, null, "dense").Tokens, Run(engine, shared, "dense").Tokens);
    }

    [Fact]
    public void WhoBeginsTogetherComputesItOnce()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32) with { MaxSequences = 3, BatchTokens = 64 });
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Sequence[] three = [.. Enumerable.Range(0, 3).Select(_ => Sequence(shared, "dense"))];
        var answers = Generation.RunAll(engine, three);
        // Each has 72 tokens behind it, and 19 of the answer that are computed.
        Assert.Equal(SharedTokens + (3 * 72), engine.Figures.PromptRows);
        Assert.Equal([0, SharedTokens, SharedTokens], three.Select(static one => one.CachedTokens));
        foreach (var answer in answers)
            answer.AssertEquals(Run(engine, null, "dense"), 1e-3, "together");
    }

    // An engine that keeps nothing answers alike whatever came before: equal tokens of another object are nothing to it.
    [Fact]
    public void WithoutAPrefixCacheRowsAreFoundByTheObjectAndWithOneByTheirTokens()
    {
        foreach (var keeps in (bool[])[false, true])
        {
            using var engine = new Engine(_model, Options(KvFormat.F32) with { PrefixCache = keeps });
            var (one, other) = (new SharedPrompt(_text.AsSpan(0, SharedTokens)), new SharedPrompt(_text.AsSpan(0, SharedTokens)));
            Compute(engine, one);
            Assert.Equal(keeps ? SharedTokens : 0, Run(engine, other, "dense").Sequence.CachedTokens);
            Assert.Equal(keeps ? 192 : 0, Run(engine, null, "dense").Sequence.CachedTokens);
            Assert.Equal((SharedTokens, SharedTokens), (one.RowCount, other.RowCount));
            one.Release();
            other.Release();
            engine.Step();
            engine.Verify();
            Assert.Equal(keeps, engine.KvBytesInUse > 0);
            Assert.Equal(engine.Prefixes.IdleBytes, engine.KvBytesInUse);
        }
    }

    [Fact]
    public void WhatIsReleasedIsNotKeptAgain()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var shared = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        var user = Sequence(shared, "dense");
        engine.Submit(user);
        shared.Release();
        while (engine.Step())
            Assert.Equal(0, shared.RowCount);
        Assert.Equal((0, 0L), (Run(engine, shared, "dense").Sequence.CachedTokens, engine.KvBytesInUse));
    }

    [Fact]
    public void OtherPromptsAndPartsOfUnitsAreRefused()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var shared = new SharedPrompt(_text.AsSpan(32, 64));
        var refusal = Assert.Throws<KvasirException>(() => engine.Submit(Sequence(shared, "dense")));
        Assert.Equal("the prompt of 200 tokens does not begin with the 64 that are shared", refusal.Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedPrompt(_text.AsSpan(0, 33)));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedPrompt([]));
    }

    // The same tokens in the same batches: first the shared ones, then the others.
    private Generation Alone(KvFormat type, string policy)
    {
        using var engine = new Engine(_model, Options(type));
        var own = new SharedPrompt(_text.AsSpan(0, SharedTokens));
        Compute(engine, own);
        var result = Run(engine, own, policy);
        own.Release();
        return result;
    }

    private static EngineOptions Options(KvFormat type) => new() { Threads = 1, Kv = type, KvMemoryBytes = 32 << 20, PromptsFirst = true };

    private static long PageBytes(Engine engine, int rows) => engine.Plan.KvBytesPerToken * ((rows + 31) / 32 * 32);

    private static double Share(Sequence sequence) => sequence.ReadsByLayer().Aggregate(default(LayerReads), static (sum, layer) => sum + layer).KeysReadShare;

    private void Compute(Engine engine, SharedPrompt shared)
    {
        Generation.Run(engine, _text[..shared.TokenCount], Generation.Greedy(1), shared);
        Assert.Equal(shared.TokenCount, shared.RowCount);
    }

    private Generation Run(Engine engine, SharedPrompt? shared, string policy) =>
        Generation.Run(engine, _text, Generation.Greedy(20) with { Attention = PolicyCatalog.Parse(policy) }, shared);

    private Sequence Sequence(SharedPrompt shared, string policy) => new(_text, Generation.Greedy(20) with { Attention = PolicyCatalog.Parse(policy) }) { Shared = shared };
}
