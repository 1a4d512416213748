using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Batches;

/// <summary>Policies that drop rows free their memory, and answer as if they had kept it.</summary>
public sealed class DroppedRowsTest : IDisposable
{
    private const int PromptTokens = 390;
    private const int PageRows = 32;
    private const string Streaming = "streaming:sinks=4,recent=61,min-context=0";
    private const string H2O = "h2o:heavy=0.1,newest=0.1,recent=16,observed=20,min-context=0";
    private const string SnapKV = "snapkv:share=0.3,observed=20,recent=16,min-context=0";
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public DroppedRowsTest() => _text = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)))[..PromptTokens];

    public void Dispose() => _model.Dispose();

    // While tokens come, up to a page of rows is not worth dropping, and heads are asked every 16; whole pages alone are dropped where moving would round anew.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(Streaming, "f32", 0, 48)]
    [InlineData(Streaming, "bf16", 0, 48)]
    [InlineData(Streaming, "q8", 0, 48)]
    [InlineData(Streaming, "int8", 59, 171)]
    [InlineData("streaming:sinks=4,recent=61,dense-layers=1+3,min-context=0", "bf16", 0, 110)]
    [InlineData("streaming:sinks=0,recent=33,min-context=0", "bf16", 0, 48)]
    [InlineData("streaming:sinks=4,recent=61,min-context=1000", "bf16", 0, 110)]
    [InlineData(H2O, "f32", 0, 48)]
    [InlineData(H2O, "q8", 0, 48)]
    [InlineData(H2O, "int8-channel", 64, 110)]
    [InlineData(SnapKV, "f32", 0, 110)]
    [InlineData(SnapKV, "q8", 0, 110)]
    [InlineData("pyramidkv:share=0.3,observed=20,recent=16,dense-layers=1,min-context=0", "bf16", 0, 110)]
    public void APromptLeavesWhatThePolicyKeepsAndAnAnswerAddsLittle(string name, Kv type, int stuckRows, int moreRows)
    {
        var policy = PolicyCatalog.Parse(name);
        using var engine = new Engine(_model, Options(type));
        engine.Submit(new Sequence(_text, Generation.Greedy(110) with { Attention = policy }));
        engine.Step();
        engine.Verify();
        Assert.InRange(engine.KvBytesInUse, KeptBytes(engine, policy, 0), KeptBytes(engine, policy, stuckRows));
        while (engine.RunningCount > 0)
        {
            Assert.True(engine.KvBytesInUse <= KeptBytes(engine, policy, moreRows), $"{engine.KvBytesInUse} bytes of pages");
            engine.Step();
            engine.Verify();
        }

        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData(Streaming, "f32")]
    [InlineData(Streaming, "bf16")]
    [InlineData(Streaming, "q8")]
    [InlineData(Streaming, "int8")]
    [InlineData("streaming:sinks=4,recent=61,dense-layers=1+3,min-context=420", "bf16")]
    [InlineData(H2O, "f32")]
    [InlineData(H2O, "bf16")]
    [InlineData(H2O, "q8")]
    public void AnswersAreThoseOfAnAuditedSequenceWhichKeepsItsRows(string name, Kv type)
    {
        var options = Generation.Greedy(110) with { Attention = PolicyCatalog.Parse(name) };
        var dropping = Generation.Run(_model, Options(type), _text, options);
        using var engine = new Engine(_model, Options(type));
        var audited = new Sequence(_text, options with { AuditShare = 0.05 });
        engine.Submit(audited);
        engine.Step();
        Assert.Equal((PromptTokens + PageRows - 1) / PageRows * PageRows * engine.Plan.KvBytesPerToken, engine.KvBytesInUse);
        while (engine.Step())
        {
        }

        var keeping = Generation.Read(audited);
        Assert.Equal(keeping.Tokens, dropping.Tokens);
        Assert.Equal(keeping.Logprobs, dropping.Logprobs);
        Assert.Equal(keeping.Sequence.ReadsByLayer(), dropping.Sequence.ReadsByLayer());
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WhoDropsSharedRowsLeavesThemToOthers()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32) with { MaxSequences = 3 });
        var shared = new SharedPrompt(_text.AsSpan(0, 320));
        var dense = Generation.Run(engine, _text, Generation.Greedy(40), shared);
        var kept = engine.KvBytesInUse;
        Sequence[] both = [Sequence(Streaming, shared), Sequence(H2O, shared)];
        foreach (var one in both)
            engine.Submit(one);
        // The index of shared rows is built first, so that one may begin some steps behind the other.
        while (both.Any(static one => one.GeneratedCount == 0))
            engine.Step();
        var own = both.Sum(one => KeptBytes(engine, one.Options.Attention!, 0));
        Assert.InRange(engine.KvBytesInUse, kept + own, kept + own + (PageRows * engine.Plan.KvBytesPerToken));
        while (engine.Step())
            engine.Verify();
        Assert.Equal([320, 320], both.Select(static one => one.CachedTokens));
        foreach (var one in both)
            Generation.Read(one).AssertEquals(Generation.Run(engine, _text, one.Options), 1e-3, one.Options.Attention!.Name);
        Generation.Run(engine, _text, Generation.Greedy(40), shared).AssertEquals(dense, 1e-3, "dense");
        Assert.Equal(kept, engine.KvBytesInUse);
    }

    [Fact]
    public void APromptIsComputedWhereAnotherHasLeftItsRows()
    {
        // 13 pages a head for either prompt, and 18 there are.
        using var engine = new Engine(_model, Options(KvFormat.F32) with { KvMemoryBytes = Bytes(18), MaxSequences = 2 });
        Sequence[] both = [Sequence(Streaming, null), Sequence(Streaming, null)];
        foreach (var one in both)
            engine.Submit(one);
        engine.Step();
        Assert.Equal(0, both[1].CachedCount);
        engine.Step();
        Assert.Equal((PromptTokens, FinishReason.None), (both[1].CachedCount, both[0].Finish));
        while (engine.Step())
            engine.Verify();
        Assert.Equal(Generation.Read(both[0]).Tokens, Generation.Read(both[1]).Tokens);
    }

    [Fact]
    public void ThePreemptedComputeAllRowsAgainAndDropThemAgain()
    {
        // The older grows to 27 pages a head, the younger has three or four of the seven that its prompt took.
        using var engine = new Engine(_model, Options(KvFormat.F32) with { KvMemoryBytes = Bytes(27), MaxSequences = 2, ContextTokens = 1024 });
        var older = new Sequence(_text.AsSpan(0, 320), Generation.Greedy(524));
        var younger = new Sequence(_text.AsSpan(0, 200), Generation.Greedy(500) with { Attention = PolicyCatalog.Parse(Streaming) });
        engine.Submit(older);
        engine.Submit(younger);
        var preempted = false;
        while (engine.Step())
        {
            engine.Verify();
            preempted |= younger is { CachedCount: 0, GeneratedCount: > 0, Finish: FinishReason.None };
            if (older.Finish != FinishReason.None && younger.Finish == FinishReason.None && younger.CachedCount >= younger.PrefillCount)
                Assert.True(engine.KvBytesInUse <= Bytes(4), $"{engine.KvBytesInUse} bytes");
        }

        Assert.True(preempted);
        Assert.Equal((FinishReason.Length, 500), (younger.Finish, younger.GeneratedCount));
    }

    [Fact]
    public void ThePlanSaysWhatStays()
    {
        using var dense = new Engine(_model, Options(KvFormat.BF16));
        Assert.Equal(512 * dense.Plan.KvBytesPerToken, dense.Plan.KeptBytes);
        using var streaming = new Engine(_model, Options(KvFormat.BF16) with { Attention = PolicyCatalog.Parse(Streaming) });
        Assert.Equal(64 * dense.Plan.KvBytesPerToken, streaming.Plan.KeptBytes);
    }

    private static EngineOptions Options(KvFormat type) => new() { Threads = 1, Kv = type, KvMemoryBytes = 32 << 20, BatchTokens = 512, PromptsFirst = true };

    private Sequence Sequence(string policy, SharedPrompt? shared) =>
        new(_text, Generation.Greedy(40) with { Attention = PolicyCatalog.Parse(policy) }) { Shared = shared };

    // Of F32 pages for each of the heads.
    private long Bytes(int pages) => pages * PageRows * 2 * sizeof(float) * PaddedDim * (long)_model.Config.LayerCount * _model.Config.KvHeadCount;

    private int PaddedDim => (_model.Config.HeadDim + 31) / 32 * 32;

    private long KeptBytes(Engine engine, AttentionPolicy policy, int moreRows)
    {
        var pages = 0L;
        for (var layer = 0; layer < _model.Config.LayerCount; layer++)
            pages += (policy.RowsKeptAt(_model.Config.Attention, layer, PromptTokens) + moreRows + PageRows - 1) / PageRows;
        return pages * PageRows * engine.Plan.KvBytesPerToken / _model.Config.LayerCount;
    }
}
