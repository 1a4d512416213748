using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention;

/// <summary>Two policies, of which one selects and the other drops: the memory is given back, and nothing is read otherwise for that.</summary>
public sealed class PairedPolicyTest : IDisposable
{
    private const int PageRows = 32;
    private const int Window = 100;
    private static readonly string Drop = $"streaming:sinks=3,recent={Window},min-context=0";
    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _prompt;

    public PairedPolicyTest()
    {
        var text = string.Concat(Enumerable.Repeat("The cat sat on the mat and looked at the big red ball. ", 40));
        _prompt = _model.Tokenizer.Encode(text)[..330];
    }

    // Each selects in a window of 100 tokens, and magicpig hashes what comes in segments that fit into it.
    public static TheoryData<string> Selecting =>
    [
        "dense",
        "magicpig:bits=4,tables=12,segment=64,sinks=2,recent=4,dense-layers=none,min-context=0",
        "psa:block=4,coverage=0.6,sinks=2,recent=4,min-context=0",
        "psa:block=5,group=2,coverage=0.6,unit=layer,sinks=8,recent=4,min-context=0",
        "longformer:window=20,dilation=2,sinks=2,recent=4,min-context=0",
        "sparse-transformer:stride=7,sinks=2,min-context=0",
        "sparse-transformer:mask=fixed,stride=8,summary=2,sinks=2,min-context=0",
        "topk:share=0.1,sinks=2,recent=4,min-context=0",
        "topp:coverage=0.5,sinks=2,recent=4,min-context=0",
        "oracle:share=0.1,sinks=2,recent=4,min-context=0",
        "quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=1,min-context=0",
        "guarded:epsilon=0.9,delta=0.4,pilot=16,sinks=2,recent=4,min-context=0",
        "alisa:ratio=0.3,observed=20,min-context=0",
        "alisa:ratio=0.3,sum=window,observed=20,min-context=0",
        "loki:rank=3,share=0.2,sinks=2,recent=4,min-context=0",
        "had:share=0.1,sinks=2,recent=4,min-context=0",
        "clusterkv:share=0.1,cluster=8,window=16,sinks=2,recent=4,dense-layers=1,min-context=0",
        "every-other:step=3,sinks=2,recent=4,min-context=0",
    ];

    public void Dispose() => _model.Dispose();

    [Fact]
    public void EveryPolicyThatDropsNothingSelectsBesideOneThatDoes() => Assert.All(
        PolicyCatalog.Entries,
        entry => Assert.True(
            new PolicySpec(entry).Create().DropsRows || Selecting.Any(row => PolicySpec.Family(row.Data) == entry.Name), $"{entry.Name} is in no pair"));

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Selecting))]
    public void WhatIsReadDoesNotDependOnWhenMemoryIsGivenBack(string selecting)
    {
        var pair = Pair(selecting, Drop);
        // Of 14 pages: the first, those of the window, and what waits to be worth it, to fill a unit of the index, and to be asked for.
        var unit = Enumerable.Range(1, 1000).Select(static i => i * PageRows).First(rows => rows % KeyAxesFile.Parse(selecting).RowUnit == 0);
        foreach (var format in (KvFormat[])[KvFormat.F32, KvFormat.BF16, KvFormat.Q8, KvFormat.Int8])
        {
            using var engine = new Engine(_model, Options(format));
            var options = Generation.Greedy(110) with { Attention = pair };
            var (dropping, pages) = Dropping(engine, options);
            var keeping = Generation.Run(engine, _prompt, options with { AuditShare = 0.05 });
            Assert.Equal(keeping.Tokens, dropping.Tokens);
            Assert.Equal(keeping.Logprobs, dropping.Logprobs);
            Assert.Equal(keeping.Sequence.ReadsByLayer(), dropping.Sequence.ReadsByLayer());
            Assert.InRange(pages, Window / PageRows, (PageRows + Window + Math.Max(unit, format == KvFormat.Int8 ? 96 : PageRows) + 47) / PageRows);
            Assert.Equal(0, engine.KvBytesInUse);
        }
    }

    [Fact]
    public void DenseBesideStreamingIsStreaming()
    {
        using var engine = new Engine(_model, Options(KvFormat.F32));
        Answer($"dense+{Drop}").AssertEquals(Answer(Drop), 1e-4, "dense");

        Generation Answer(string policy) => Generation.Run(engine, _prompt, Generation.Greedy(110) with { Attention = PolicyCatalog.Parse(policy) });
    }

    [Fact]
    public void BelowTheLeastContextOfWhatDropsTheOtherIsByItself()
    {
        const string Quest = "quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=1,min-context=0";
        using var engine = new Engine(_model, Options(KvFormat.BF16));
        var options = Generation.Greedy(60);
        var alone = Generation.Run(engine, _prompt, options with { Attention = PolicyCatalog.Parse(Quest) });
        var pair = Generation.Run(engine, _prompt, options with { Attention = PolicyCatalog.Parse($"{Quest}+streaming:recent=100,min-context=1000") });
        Assert.Equal(alone.Tokens, pair.Tokens);
        Assert.Equal(alone.Logprobs, pair.Logprobs);
        Assert.Equal(alone.Sequence.ReadsByLayer(), pair.Sequence.ReadsByLayer());
    }

    [Fact]
    public void APromptThatOthersShareIsDroppedWithoutHarmToThem()
    {
        var pair = Pair("quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=1,min-context=0", Drop);
        using var engine = new Engine(_model, Options(KvFormat.F32));
        var alone = Generation.Run(engine, _prompt, Generation.Greedy(60) with { Attention = pair });
        var shared = new SharedPrompt(_prompt.AsSpan(0, 256));
        var dense = Generation.Run(engine, _prompt, Generation.Greedy(30), shared);
        Generation.Run(engine, _prompt, Generation.Greedy(60) with { Attention = pair }, shared).AssertEquals(alone, 1e-3, "shared");
        Generation.Run(engine, _prompt, Generation.Greedy(30), shared).AssertEquals(dense, 1e-3, "dense afterwards");
    }

    [Theory]
    [InlineData("h2o+streaming", "'h2o+streaming' is no pair: h2o drops rows itself, and streaming can drop no others beside it")]
    [InlineData("quest+psa:block=16", "'quest+psa:block=16' is no pair: psa drops no rows")]
    [InlineData("quest:page=8+h2o", "'quest:page=8+h2o' is no pair: h2o decides row by row what it drops")]
    [InlineData("topk+streaming+h2o", "'topk+streaming+h2o' has 3 parts")]
    [InlineData("topk+steaming:recent=8", "attention policy 'steaming' is unknown")]
    [InlineData("topk+streaming:size=8", "attention policy 'streaming' has no option 'size=8'")]
    [InlineData("topk+", "attention policy 'topk+' is unknown")]
    public void APairThatMakesNoSenseIsRefusedByName(string text, string message) =>
        Assert.Contains(message, Assert.Throws<KvasirException>(() => PolicyCatalog.Parse(text)).Message, StringComparison.Ordinal);

    private static AttentionPolicy Pair(string selecting, string drop) => KeyAxesFile.Parse(selecting).Spec.WithDrop(PolicyCatalog.Spec(drop)).Create();

    private static EngineOptions Options(KvFormat format) => new() { Threads = 1, Kv = format, KvMemoryBytes = 32 << 20, BatchTokens = 512 };

    // And the most pages of a head while the last tokens came, in the mean.
    private (Generation Answer, long Pages) Dropping(Engine engine, GenerationOptions options)
    {
        var (sequence, pages) = (new Sequence(_prompt, options), 0L);
        engine.Submit(sequence);
        while (engine.Step())
        {
            engine.Verify();
            if (sequence.GeneratedCount > 40)
                pages = Math.Max(pages, engine.KvBytesInUse / (PageRows * engine.Plan.KvBytesPerToken));
        }

        return (Generation.Read(sequence), pages);
    }
}
