using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Synthetic;

namespace Kvasir.Test.Attention.Batches;

/// <summary>
/// What is indexed of rows that several sequences begin with is kept with the rows: indexed once, never another's, and no answer depends on who came before.
/// </summary>
public sealed class ReusedRowsTest : IDisposable
{
    // Whole columns, of any unit below.
    private const int DocumentTokens = 384;

    // Steps of 64 rows: what is behind a hit is computed in the same steps as in a cold run.
    private static readonly EngineOptions Options = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20, BatchTokens = 64, PrefixCache = true };

    private static readonly string[] Policies =
    [
        "quest:page=8,recent=8,dense-layers=none,min-context=0", "quest:page=24,recent=8,dense-layers=0+2,min-context=0",
        "quest:page=128,recent=8,share=0.5,min-context=0",
        "psa:block=4,sinks=4,recent=4,coverage=0.5,min-context=0", "psa:block=48,unit=layer,sinks=4,recent=4,coverage=0.5,min-context=0",
        "psa:block=32,sinks=4,recent=4,metadata=centroid,min-context=0",
        "guarded:pilot=24,recent=4,learn=128,min-context=0", "guarded:pilot=24,recent=4,learn=200,dense-layers=0+2,min-context=0",
        "magicpig:bits=6,tables=40,learn=128,recent=8,min-context=0", "magicpig:bits=5,tables=33,learn=200,segment=64,sinks=0,recent=30,min-context=0",
        "magicpig:bits=9,tables=20,learn=100,centre=none,dense-layers=0+2,recent=1,min-context=0",
        "had:share=0.2,recent=8,min-context=0", "had:share=0.1,recent=8,dense-layers=1,min-context=0",
        "clusterkv:cluster=8,segment=384,recent=8,min-context=0", "clusterkv:cluster=16,segment=384,sinks=0,recent=8,dense-layers=0+2,min-context=0",
        "loki:share=0.2,recent=8,min-context=0", "loki:share=0.2,rank=3,recent=8,dense-layers=1,min-context=0",
    ];

    private readonly Model _model = Generation.LoadStories();
    private readonly int[] _text;

    public ReusedRowsTest() =>
        _text = _model.Tokenizer.Encode(
            string.Concat(Enumerable.Range(0, 60).Select(static i => $"Tom and Lily went to the big park to play with {i} red balls. ")));

    // What KIVI reads of the newest rows depends on which came in the same step.
    public static TheoryData<string> Formats => [.. KvFormat.Table.Where(static format => !format.Keys.KeepsNewest).Select(static format => format.Name)];

    public void Dispose() => _model.Dispose();

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Formats))]
    public void NothingOfAHitIsIndexedAgainAndTheAnswerIsTheColdOne(string format)
    {
        using var warm = new Engine(_model, Options with { Kv = new Kv(format) });
        using var cold = new Engine(_model, Options with { Kv = new Kv(format), PrefixCache = false });
        foreach (var policy in Policies)
        {
            var counted = new CountedPolicy(KeyAxesFile.Parse(policy));
            var options = Generation.Greedy(20) with { Attention = counted, Tenant = policy };
            Generation.Run(warm, Prompt(0), options);
            var (before, built, sampled) = (counted.RowsAppended, counted.RowsBuilt, policy.StartsWith("magicpig", StringComparison.Ordinal));
            var expected = Generation.Run(cold, Prompt(1), options with { Attention = KeyAxesFile.Parse(policy) });
            var actual = Generation.Run(warm, Prompt(1), options);
            // Of 20 heads, dense ones among them, the rows that are the question's own and those of the answer but for the last.
            Assert.Equal((DocumentTokens, (Prompt(1).Length - DocumentTokens + 19L) * 20), (actual.Sequence.CachedTokens, counted.RowsAppended - before));
            var clusters = policy.StartsWith("clusterkv", StringComparison.Ordinal);
            Assert.Equal(sampled || clusters || policy.StartsWith("guarded", StringComparison.Ordinal), built > 0);
            // Codes are copied, but sorted into tables again, with those of the question: less than a tenth of what hashing takes here. Segments that are whole
            // are not clustered again.
            var again = sampled ? DocumentTokens / 10 : 0;
            Assert.InRange(counted.RowsBuilt - built, 0, sampled || clusters ? (again + Prompt(1).Length - DocumentTokens + 20) * 20 : 0);
            AssertSame(expected, actual, policy);
        }
    }

    // Odd numbers of query heads on a KV head, whose own rows the parts lie between.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2, Traits = ["Needs", "Minutes"])]
    [InlineData(7, 1, Traits = ["Needs", "Minutes"])]
    public void ItHoldsForAnyQueryGroup(int group, int kvHeads)
    {
        var tiny = SyntheticShape.Parse("tiny:2");
        var config = tiny.Config with { HeadCount = group * kvHeads, KvHeadCount = kvHeads };
        using var model = Model.Synthetic(tiny with { Config = config }, SyntheticWeights.BF16);
        using var warm = new Engine(model, Options);
        using var cold = new Engine(model, Options with { PrefixCache = false });
        // There is no calibration of this model, nor a third layer.
        foreach (var policy in Policies[..^2].Select(static policy => policy.Replace("0+2", "0", StringComparison.Ordinal)))
        {
            var options = Generation.Greedy(12) with { Attention = PolicyCatalog.Parse(policy), Tenant = policy };
            Generation.Run(warm, Prompt(0), options);
            var (expected, actual) = (Generation.Run(cold, Prompt(1), options), Generation.Run(warm, Prompt(1), options));
            Assert.Equal(DocumentTokens, actual.Sequence.CachedTokens);
            AssertSame(expected, actual, policy);
        }
    }

    [Fact]
    public void WhatSomebodyElseComputedIsIndexedByTheFirstWhoWantsItAndKept()
    {
        var policy = new CountedPolicy(PolicyCatalog.Parse(Policies[0]));
        using var engine = new Engine(_model, Options);
        Generation.Run(engine, Prompt(0), Generation.Greedy(2));
        Assert.Equal(0, engine.Prefixes.IndexBytes);
        var options = Generation.Greedy(2) with { Attention = policy };
        long[] appended = [.. Enumerable.Range(0, 3).Select(_ => Appended(policy, () => Generation.Run(engine, Prompt(1), options)))];
        var own = (Prompt(1).Length % 32) + 1;
        Assert.Equal([(Prompt(1).Length + 1) * 20, own * 20, own * 20], appended);
        // Two corners of bf16 for each 8 rows, in a line of memory.
        Assert.Equal(Prompt(1).Length / 32 * 4 * 64 * 20, engine.Prefixes.IndexBytes);
        Assert.Equal(engine.Prefixes.IndexBytes, engine.Memory.IndexBytes);
    }

    // In a prompt of fewer rows than codes are learnt from they are learnt from all of it, and are no others': whoever comes has codes of his own.
    [Theory]
    [InlineData("guarded:pilot=24,recent=4,learn=420,min-context=0")]
    [InlineData("magicpig:bits=6,tables=40,recent=1,learn=420,min-context=0")]
    public void CodesThatAPromptAloneTaughtAreNotLeft(string name)
    {
        var policy = PolicyCatalog.Parse(name);
        using var engine = new Engine(_model, Options with { ReusesSparseAnswers = true });
        using var cold = new Engine(_model, Options with { PrefixCache = false });
        var options = Generation.Greedy(60) with { Attention = policy };
        var first = Generation.Run(engine, Prompt(0)[..400], options).Sequence;
        Assert.Equal((448L, 0L), (engine.Prefixes.Tokens, engine.Prefixes.IndexBytes));
        // Longer ones do, from the same rows whatever is behind them.
        int[] longer = [.. _text[..450]];
        var options2 = options with { MaxTokens = 20 };
        Generation.Run(engine, [.. longer, 5, 6], options2);
        Assert.NotEqual(0, engine.Prefixes.IndexBytes);
        AssertSame(Generation.Run(cold, longer, options2), Generation.Run(engine, longer, options2), "behind others' codes");
    }

    [Fact]
    public void TheSecondTurnIndexesWhatIsNew()
    {
        var policy = new CountedPolicy(PolicyCatalog.Parse("quest:page=8,recent=8,min-context=100000"));
        using var engine = new Engine(_model, Options);
        var options = Generation.Greedy(60) with { Attention = policy };
        var first = Generation.Run(engine, Prompt(0), options).Sequence;
        int[] second = [.. first.Tokens, .. _text[400..420]];
        var appended = Appended(policy, () => Generation.Run(engine, second, options with { MaxTokens = 1 }));
        // The answer was read densely: its rows are there, and indexed since it ended.
        Assert.Equal((second.Length - ((first.TokenCount - 1) / 32 * 32)) * 20, appended);
    }

    [Fact]
    public void TenantsSaltsOptionsAndCalibrationsShareNoIndex()
    {
        using var engine = new Engine(_model, Options);
        var policy = new CountedPolicy(PolicyCatalog.Parse(Policies[0]));
        var prompt = Prompt(0);
        (string? Tenant, string? Salt)[] all = [(null, null), ("a", null), ("b", null), ("a", "x"), ("a", "y")];
        foreach (var (tenant, salt) in all)
            Assert.Equal(prompt.Length * 20, Ask(policy, tenant, salt));
        foreach (var (tenant, salt) in all)
            Assert.Equal((prompt.Length - ((prompt.Length - 1) / 32 * 32)) * 20, Ask(policy, tenant, salt));
        var other = new CountedPolicy(PolicyCatalog.Parse(Policies[0].Replace("page=8", "page=16", StringComparison.Ordinal)));
        Assert.Equal(prompt.Length * 20, Ask(other, null, null));

        long Ask(CountedPolicy asked, string? tenant, string? salt) => Appended(
            asked, () => Generation.Run(engine, prompt, Generation.Greedy(1) with { Attention = asked, Tenant = tenant, CacheSalt = salt }));
    }

    // The index of a policy is 1/8 of its rows here: what others keep of it goes before anybody gives way.
    [Fact]
    public void WhatIsKeptGoesWithItsColumnAndBeforeAnybodyGivesWay()
    {
        var policy = PolicyCatalog.Parse("quest:page=2,recent=8,dense-layers=none,min-context=0");
        long limit;
        using (var roomy = new Engine(_model, Options))
        {
            Generation.Run(roomy, Prompt(0), Generation.Greedy(40) with { Attention = policy });
            limit = (roomy.KvBytesInUse * 5 / 4) + roomy.Prefixes.IndexBytes + policy.IndexBytesAt(_model.Config.Attention, 456, 456, 456);
        }

        using var engine = new Engine(_model, Options with { KvMemoryBytes = limit });
        for (var i = 0; i < 4; i++)
        {
            int[] prompt = [.. _text[(50 * i)..((50 * i) + 416)]];
            var sequence = new Sequence(prompt, Generation.Greedy(40) with { Attention = policy });
            engine.Submit(sequence);
            var begun = false;
            while (engine.Step())
            {
                engine.Verify();
                Assert.True(!begun || sequence.CachedCount > 0 || sequence.Finish != FinishReason.None, "it gave way");
                begun |= sequence.CachedCount > 0;
            }

            Assert.Equal(FinishReason.Length, sequence.Finish);
            Assert.Equal(engine.Prefixes.IndexBytes, engine.Memory.IndexBytes);
        }

        Assert.InRange(engine.Prefixes.EvictedColumns, 20, 60);
    }

    private static long Appended(CountedPolicy policy, Action run)
    {
        var before = policy.RowsAppended;
        run();
        return policy.RowsAppended - before;
    }

    private static void AssertSame(Generation expected, Generation actual, string policy)
    {
        Assert.True(expected.Tokens.SequenceEqual(actual.Tokens), $"{policy}: other tokens than cold");
        Assert.Equal(expected.Logprobs, actual.Logprobs);
        Assert.Equal(expected.Sequence.ReadsByLayer(), actual.Sequence.ReadsByLayer());
    }

    private int[] Prompt(int question) => [.. _text[..DocumentTokens], .. _text[(450 + (7 * question))..(483 + (10 * question))]];
}
