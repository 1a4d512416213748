using System.Runtime.Intrinsics;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Attention.Policies;

/// <summary>What every policy of the catalogue keeps to, at options that make it leave rows out of a short context.</summary>
public sealed class PolicyConformanceTest(PolicyConformanceTest.Reference reference) : IClassFixture<PolicyConformanceTest.Reference>
{
    private const int PromptCount = 120;
    private const int AnswerCount = 30;
    private const int FewTokens = 6;
    private static readonly EngineOptions Exact = new() { Threads = 1, Kv = KvFormat.F32, KvMemoryBytes = 32 << 20 };

    private static readonly string[] Tried =
    [
        "dense",
        "magicpig:bits=4,tables=12,sinks=3,recent=5,dense-layers=none,min-context=0",
        "magicpig:bits=13,tables=40,mode=faithful,sinks=0,recent=1,dense-layers=2,seed=7,min-context=0",
        "psa:block=4,group=2,coverage=0.6,tail=last-mean,sinks=3,recent=5,min-context=0",
        "psa:block=2,group=2,coverage=0.3,tail=sampled,sinks=3,recent=5,min-context=0",
        "psa:block=3,group=1,coverage=0.4,unit=layer,tail=sampled,sinks=1,recent=2,min-context=0",
        "psa:block=8,coverage=0.8,metadata=cuboid-max,tail=fit,sinks=0,recent=1,min-context=0",
        "psa:block=5,coverage=0.7,metadata=centroid,tail=min-times-left,sinks=2,recent=3,dense-layers=1+3,min-context=0",
        "psa:block=4,group=2,coverage=0.6,unit=layer,sinks=3,recent=5,dense-layers=2,min-context=0",
        "psa:block=4,coverage=0.9,most=0.3,sinks=3,recent=5,min-context=0",
        "streaming:sinks=2,recent=9,min-context=0",
        "longformer:window=12,dilation=3,sinks=4,recent=6,min-context=0",
        "sparse-transformer:stride=7,sinks=2,min-context=0",
        "sparse-transformer:mask=fixed,stride=9,summary=2,sinks=2,min-context=0",
        "topk:share=0.1,sinks=2,recent=4,min-context=0",
        "topp:coverage=0.5,sinks=2,recent=4,min-context=0",
        "oracle:share=0.1,sinks=2,recent=4,seed=3,min-context=0",
        "guarded:epsilon=0.9,delta=0.4,pilot=16,sinks=2,recent=4,min-context=0",
        "guarded:epsilon=0.6,delta=0.3,pilot=24,bits=3,sinks=0,recent=1,dense-layers=1,seed=5,min-context=0",
        "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0",
        "snapkv:share=0.3,kernel=3,observed=12,recent=6,sinks=2,min-context=0",
        "pyramidkv:share=0.3,beta=4,pool=max,observed=12,recent=6,min-context=0",
        "adakv:share=0.3,floor=0.1,observed=12,recent=6,dense-layers=1,min-context=0",
        "prefixkv:share=0.3,observed=12,recent=6,min-context=0",
        "dbudgetkv:threshold=0.3,observed=12,recent=6,min-context=0",
        "dbudgetkv:threshold=0.2,metric=last-token,order=snapkv,observed=12,recent=6,dense-layers=1,min-context=0",
        "xkv:share=0.3,observed=12,recent=6,dense-layers=1,min-context=0",
        "kvmerger:similarity=0.5,heavy=0.1,newest=0.1,observed=12,recent=6,min-context=0",
        "think:ratio=0.4,observed=12,recent=6,min-context=0",
        "alisa:ratio=0.4,observed=20,min-context=0",
        "alisa:ratio=0.3,scoring=literal,score-rows=two-k,sum=window,observed=20,min-context=0",
        "alisa:ratio=0.2,scoring=literal,drop=spent,observed=20,min-context=0",
        "loki:rank=3,share=0.2,sinks=2,recent=4,min-context=0",
        "quest:share=0.2,page=4,sinks=2,recent=4,dense-layers=none,min-context=0",
        "had:share=0.2,sinks=2,recent=4,min-context=0",
        "had:share=0.05,sinks=0,recent=1,dense-layers=1,min-context=0",
        "clusterkv:share=0.2,cluster=8,segment=256,window=16,sinks=2,recent=4,dense-layers=none,min-context=0",
        "clusterkv:share=0.05,cluster=20,passes=3,sinks=0,recent=1,dense-layers=1,min-context=0",
        "every-other:step=3,sinks=2,recent=4,min-context=0",
        "quest:share=0.2,page=4,sinks=2,recent=4,dense-layers=none,min-context=0+streaming:sinks=3,recent=50,min-context=0",
    ];

    // Without vectors all of them take minutes: tests of kernels walk every scalar form, and a plain format and one that seals pages stand for them here.
    private static readonly KvFormat[] Formats = !Vector128.IsHardwareAccelerated ? [KvFormat.F32, KvFormat.Int8Channel] :
        [.. KvFormat.Table, KvFormat.Pair(KvFormat.Q8, KvFormat.BF16), KvFormat.Pair(KvFormat.BF16, KvFormat.Q8), KvFormat.Pair(KvFormat.Int8, KvFormat.Q8)];

    private readonly Model _model = reference.Model;

    public static IReadOnlyList<string> Policies => Tried;

    // One of each way to choose rows: by sampling, by blocks, by layer, by place, by bounds, by what was observed, by clusters.
    private static readonly string[] First = ["dense", "magicpig", "psa", "streaming", "guarded", "snapkv", "alisa", "clusterkv"];

    public static TheoryData<string> Few => [.. First.Select(static name => Tried.First(policy => NameOf(policy) == name))];

    public static TheoryData<string> Others => [.. Tried.Except(Few.Select(static row => row.Data))];

    public static TheoryData<string> FewNames => [.. First];

    public static TheoryData<string> OtherNames => [.. PolicyCatalog.Entries.Select(static entry => entry.Name).Except(First)];

    [Fact]
    public void EveryEntryIsTriedHere() => Assert.All(
        PolicyCatalog.Entries, entry => Assert.Contains(Tried, policy => NameOf(policy) == entry.Name));

    [Theory]
    [MemberData(nameof(FewNames))]
    [MemberData(nameof(OtherNames), Traits = ["Needs", "Seconds"])]
    public void KeepingEverythingEqualsDense(string name)
    {
        var entry = PolicyCatalog.Entries.Single(e => e.Name == name);
        Answer(entry.KeepEverything, KvFormat.F32).AssertEquals(reference.Dense(KvFormat.F32, AnswerCount), 1e-4, name);
        // Keys that differ in their last bit may be rounded to neighbours when they are stored, and heads of eight elements feel each of them.
        foreach (var kv in Formats)
            Answer(entry.KeepEverything, kv, FewTokens).AssertEquals(reference.Dense(kv, FewTokens), 5e-2, $"{name}, {kv}");
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void RowsAreInSightAndReadOnce(string policy)
    {
        foreach (var kv in Formats)
        {
            var checkedPolicy = new CheckedPolicy(KeyAxesFile.Parse(policy));
            var answer = Generation.Run(_model, Exact with { Kv = kv }, Prompt(), Generation.Greedy(kv == KvFormat.F32 ? AnswerCount : FewTokens) with { Attention = checkedPolicy });
            Assert.All(answer.Logprobs, logprob => Assert.True(float.IsFinite(logprob)));
            Assert.True(checkedPolicy.Steps > 0);
            // All but dense, and one that leaves out elements of keys, leave rows out, or this test shows nothing; a first sample of few tokens may be all of them.
            if (kv == KvFormat.F32)
                Assert.Equal(policy == "dense" || policy.StartsWith("think", StringComparison.Ordinal), checkedPolicy.RowsRead == checkedPolicy.RowsInSight);
        }
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void ChunksAndBatchesChangeNothing(string policy)
    {
        var alone = Answer(policy, KvFormat.F32);
        // Which of two centroids a key is nearer to is decided by rounding where it lies between them.
        var tolerance = policy.StartsWith("clusterkv", StringComparison.Ordinal) ? 1e-2 : 1e-4;
        foreach (var batchTokens in new[] { 1, 7, 64 })
            Generation.Run(_model, Exact with { BatchTokens = batchTokens, MaxSequences = 1 }, Prompt(), Options(policy)).AssertEquals(alone, tolerance, $"{policy}, {batchTokens} tokens at once");
        using var engine = new Engine(_model, Exact);
        var together = Generation.RunAll(engine, [(Prompt(), Options("dense")), (Prompt(), Options(policy)), (Prompt()[..50], Options(policy))]);
        together[1].AssertEquals(alone, tolerance, $"{policy} beside others");
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void ContextsThatTheZonesCoverAreReadWhole(string policy)
    {
        for (var count = 1; count < 12; count++)
        {
            // At first nothing lies between the zones; then a row, and another.
            var answer = Generation.Run(_model, Exact, Prompt()[..count], Options(policy));
            Assert.Equal(AnswerCount, answer.Tokens.Length);
            Assert.All(answer.Logprobs, logprob => Assert.True(float.IsFinite(logprob)));
        }

        var name = NameOf(policy);
        Answer(name, KvFormat.F32).AssertEquals(reference.Dense(KvFormat.F32, AnswerCount), 1e-4, $"{name} below its least context");
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void RunningTwiceGivesTheSameWhoeverComputes(string policy)
    {
        var first = Answer(policy, KvFormat.BF16);
        var again = Generation.Run(_model, Exact with { Kv = KvFormat.BF16, Threads = 2 }, Prompt(), Options(policy));
        Assert.Equal(first.Tokens, again.Tokens);
        Assert.Equal(first.Logprobs, again.Logprobs);
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void DecodeStepsAllocateNothing(string policy)
    {
        using var engine = new Engine(_model, Exact);
        // What is made once for all sequences is made by the first of them.
        engine.Submit(new Sequence(Prompt(), Options(policy) with { MaxTokens = 110, TopLogprobs = null }));
        while (engine.RunningCount + engine.WaitingCount > 0)
            engine.Step();
        engine.Submit(new Sequence(Prompt(), Options(policy) with { MaxTokens = 110, TopLogprobs = null }));
        for (var step = 0; step < 10; step++)
            engine.Step();
        Assert.Equal(0, AllocatedBytes.OfSteps(engine, 40));
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void RowsThatAreNotSelectedAreNotRead(string policy)
    {
        // A head by itself, whose rows between the zones become NaN as soon as the selector has left them out.
        var place = new HeadPlace(0, 1, 0, 3, 8, 256);
        using var rows = new LoneHead(place, rowCount: 200, seed: 11);
        using var selector = KeyAxesFile.Parse(policy).CreateSelector(place);
        selector.Append(rows.Head, 0, 200);
        rows.EndPrompt(selector);
        var output = rows.Attend(selector);
        Assert.All(output, x => Assert.True(float.IsFinite(x)));
        // Oracles look at every key, which is what makes them oracles.
        rows.PoisonAllBut(rows.LastRead, keys: !(policy.StartsWith("top", StringComparison.Ordinal) || policy.StartsWith("oracle", StringComparison.Ordinal)));
        Assert.Equal(output, rows.Attend(selector));
    }

    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void TruncatingAndAppendingAgainGivesTheSameIndex(string policy)
    {
        var place = new HeadPlace(0, 1, 0, 3, 8, 256);
        using var rows = new LoneHead(place, rowCount: 200, seed: 12);
        using var whole = KeyAxesFile.Parse(policy).CreateSelector(place);
        whole.Append(rows.Head, 0, 200);
        using var parts = KeyAxesFile.Parse(policy).CreateSelector(place);
        foreach (var (first, count, keep) in new[] { (0, 77, 70), (70, 130, 3), (3, 100, 103), (103, 97, 200) })
        {
            parts.Append(rows.Head, first, count);
            parts.Truncate(keep);
        }

        Assert.Equal(whole.IndexBytes, parts.IndexBytes);
        Assert.Equal(rows.Attend(whole), rows.Attend(parts));
    }

    // So that what is asked for before a step is enough for the step.
    [Theory]
    [MemberData(nameof(Few))]
    [MemberData(nameof(Others), Traits = ["Needs", "Seconds"])]
    public void IndexesHoldNoMoreThanWasAskedFor(string policy)
    {
        var place = new HeadPlace(0, 1, 0, 3, 8, 2600);
        using var rows = new LoneHead(place, rowCount: 2600, seed: 13);
        var parsed = KeyAxesFile.Parse(policy);
        using var selector = parsed.CreateSelector(place);
        for (var (row, step) = (0, 130); row < 2600; row += step)
        {
            step = row < 1300 ? 130 : 1;
            rows.AppendTo(selector, row, step);
            if (row + step == 1300)
                rows.EndPrompt(selector, 1300);
            Assert.InRange(selector.IndexBytes, 0, parsed.IndexBytesAt(place, 1300, row + step));
        }
    }

    private static string NameOf(string policy) => policy.Split(':')[0];

    private static GenerationOptions Options(string policy, int tokens = AnswerCount) => Generation.Greedy(tokens) with { Attention = KeyAxesFile.Parse(policy) };

    private static int[] Prompt(Model model) =>
        model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 20)))[..PromptCount];

    private Generation Answer(string policy, KvFormat kv, int tokens = AnswerCount) =>
        Generation.Run(_model, Exact with { Kv = kv }, Prompt(), Options(policy, tokens));

    private int[] Prompt() => Prompt(_model);

    /// <summary>The model, and what dense attention answers, which every policy is held against.</summary>
    public sealed class Reference : IDisposable
    {
        private readonly Dictionary<(KvFormat Kv, int Tokens), Generation> _dense = [];

        public Model Model { get; } = Generation.LoadStories();

        public void Dispose() => Model.Dispose();

        internal Generation Dense(KvFormat kv, int tokens)
        {
            if (!_dense.TryGetValue((kv, tokens), out var answer))
                _dense[(kv, tokens)] = answer = Generation.Run(Model, Exact with { Kv = kv }, Prompt(Model), Options("dense", tokens));
            return answer;
        }
    }

    /// <summary>Looks at what the selectors of another policy select.</summary>
    private sealed class CheckedPolicy(AttentionPolicy policy) : AttentionPolicy(policy.Spec)
    {
        private long _steps;
        private long _rowsRead;
        private long _rowsInSight;

        public override int ObservedPromptRows => policy.ObservedPromptRows;

        public override bool ObservesDecode => policy.ObservesDecode;

        public override bool DecidesByLayer => policy.DecidesByLayer;

        public override bool DropsRows => policy.DropsRows;

        public long Steps => _steps;

        public long RowsRead => _rowsRead;

        public long RowsInSight => _rowsInSight;

        public override Selector CreateSelector(HeadPlace place) => new Checked(this, policy.CreateSelector(place));

        public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
        {
            policy.CreateLayer(first, selectors);
            foreach (ref var selector in selectors)
                selector = new Checked(this, selector);
        }

        private sealed class Checked(CheckedPolicy owner, Selector selector) : Selector
        {
            private readonly HashSet<int> _read = [];

            public override long IndexBytes => selector.IndexBytes;

            public override void Append(KvHead head, int firstRow, int rowCount) => selector.Append(head, firstRow, rowCount);

            public override int RowsWaiting => selector.RowsWaiting;

            public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

            public override void Build(KvHead head, int rows, IndexScratch scratch) => selector.Build(head, rows, scratch);

            public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

            public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

            public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
                selector.Weighed(rows, listed, weights, stride, max);

            public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) => selector.Observe(position, rows, weights, stride);

            public override void ObserveQueries(int position, ReadOnlySpan<float> queries) => selector.ObserveQueries(position, queries);

            public override void Mark(int rows) => selector.Mark(rows);

            public override void Truncate(int rows) => selector.Truncate(rows);

            public override int DroppableRows(KvHead head, (int First, int End) visible) => selector.DroppableRows(head, visible);

            public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit) => selector.Edit(head, visible, edit);

            public override void Edited(KvHead head, RowEdit edit) => selector.Edited(head, edit);

            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
            {
                if (round == 0)
                    _read.Clear();
                if (!selector.Select(query, round, sum, selection))
                {
                    Assert.Equal(0, selection.RowCount);
                    Interlocked.Increment(ref owner._steps);
                    Interlocked.Add(ref owner._rowsRead, _read.Count);
                    Interlocked.Add(ref owner._rowsInSight, query.EndPosition - query.FirstPosition);
                    return false;
                }

                foreach (var row in selection.Rows)
                    Assert.True(row >= query.FirstRow && row < query.EndRow && _read.Add(row), $"row {row} of [{query.FirstRow}, {query.EndRow})");
                foreach (var (first, count) in selection.Ranges)
                {
                    for (var row = first; row < first + count; row++)
                        Assert.True(row >= query.FirstRow && row < query.EndRow && _read.Add(row), $"row {row} of [{query.FirstRow}, {query.EndRow})");
                }

                return true;
            }

            protected override void Dispose(bool disposing)
            {
                selector.Dispose();
                base.Dispose(disposing);
            }
        }
    }
}
