using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Evaluation;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Tiers;

namespace Kvasir.Tools.Test.Evaluation;

/// <summary>Pages that the bundled model asks for in step after step, recorded, and what orders of eviction find of them in memory: the product's own, and none better than the optimum.</summary>
[Trait("Needs", "Minutes")]
public sealed class PageTraceTest
{
    private const int PageRows = PagePool.PageTokens;
    private const int FirstStep = 12;

    // A pool of as many pages as 1.5 to 5 steps use.
    [Theory]
    [InlineData("quest:share=0.05,page=32,min-context=0", 0.80)]
    [InlineData("quest:share=0.02,page=32,min-context=0", 0.80)]
    [InlineData("psa:most=0.06,min-context=0", 0.80)]
    public void WhatIsCountedComesNearTheOptimum(string policy, double least)
    {
        var trace = Record(policy, contextTokens: 8192, steps: 150);
        var perStep = (int)trace.Average(static step => step.Length);
        var shares = new List<string>();
        var lacks = false;
        foreach (var steps in new[] { 1.5, 2, 3, 5 })
        {
            var slots = (int)(steps * perStep);
            var (optimum, counted, lru) = (Optimum(trace, slots), Found(trace, slots, PageEviction.Counted), Found(trace, slots, PageEviction.Lru));
            shares.Add($"{steps} steps of {perStep} pages: counted {counted:P1}, lru {lru:P1}, optimum {optimum:P1}, share {counted / optimum:P1}");
            // What was written last is there when counting begins, and the optimum begins with nothing.
            lacks |= counted < least * optimum || optimum is 0 or 1;
        }

        Assert.False(lacks, $"{policy}\n{string.Join('\n', shares)}");
        TestContext.Current.TestOutputHelper?.WriteLine($"{policy}\n{string.Join('\n', shares)}");
    }

    // [steps]: pages of all heads in the order in which they are asked for, by number: (head of all layers x pages of a head) + page.
    private static int[][] Record(string policy, int contextTokens, int steps)
    {
        using var model = Model.Load("needle");
        var sample = TaskCatalog.Create("needle_multikey").Generate(new SampleRequest(model.Tokenizer, contextTokens, Seed: 5, Index: 0));
        var prompt = PromptTokens.Of(model.Tokenizer, sample).Tokens.ToArray();
        var record = new RecordedPages(PolicyCatalog.Parse(policy), prompt.Length, (contextTokens + steps) / PageRows + 1);
        using var engine = new Engine(model, new EngineOptions { KvMemoryBytes = 256 << 20, ContextTokens = contextTokens + steps });
        var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = steps, IgnoreEnd = true, Attention = record, Sampling = new SamplingOptions { Temperature = 1, Seed = 7 } });
        engine.Submit(sequence);
        while (engine.Step())
        {
        }

        Assert.Null(sequence.Failure);
        return [.. record.Steps.Skip(1).Where(static step => step.Count > 0).Select(static step => step.Order().Select(static use => use.Page).ToArray())];
    }

    private static double Found(int[][] trace, int slots, PageEviction eviction)
    {
        using var folder = new TempFolder();
        var (layout, count) = (KvFormat.F32.Page(8, PageRows), trace.Max(static step => step.Max()) + 1);
        using var pool = new PagePool(
            layout, new MemoryBudget((long)slots * layout.Bytes), files: new ScratchStore(folder.Path, layout.Bytes, count * ((layout.Bytes + 4095) / 4096 * 4096L)), eviction: eviction);
        var (placement, pages) = (pool.Placement!, new int[count]);
        for (var i = 0; i < count; i++)
        {
            Assert.True(pool.TryTake(out pages[i]));
            placement.Assign(pages[i], i / (count / 6 + 1));
            placement.Pin([pages[i]], writtenFrom: 0);
            pool.Bytes(pages[i], 0, pool.PageBytes).Fill((byte)i);
            placement.Unpin([pages[i]], sealedCount: 1);
        }

        var before = default(PageFigures);
        for (var step = 0; step < trace.Length; step++)
        {
            before = step == FirstStep ? placement.Figures : before;
            placement.BeginStep();
            foreach (var page in trace[step])
            {
                placement.Pin([pages[page]]);
                Assert.Equal((byte)page, pool.Bytes(pages[page], 0, 1)[0]);
                placement.Unpin([pages[page]]);
            }
        }

        var after = placement.Figures;
        return (double)(after.Hits - before.Hits) / (after.Hits - before.Hits + after.Misses - before.Misses);
    }

    // Belady's: of those that are there and the one that comes, the one that is wanted last goes.
    private static double Optimum(int[][] trace, int slots)
    {
        var uses = trace.SelectMany(static (step, index) => step.Select(page => (page, index))).ToArray();
        var (next, last) = (new int[uses.Length], new Dictionary<int, int>());
        for (var i = uses.Length - 1; i >= 0; i--)
            (next[i], last[uses[i].page]) = (last.GetValueOrDefault(uses[i].page, int.MaxValue - uses[i].page), i);
        var (there, wanted) = (new SortedSet<(int Next, int Page)>(), new Dictionary<int, int>());
        var (hits, all) = (0, 0);
        for (var i = 0; i < uses.Length; i++)
        {
            var (page, step) = uses[i];
            all += step >= FirstStep ? 1 : 0;
            if (wanted.Remove(page, out var at))
            {
                there.Remove((at, page));
                hits += step >= FirstStep ? 1 : 0;
            }

            (wanted[page], _) = (next[i], there.Add((next[i], page)));
            if (there.Count <= slots)
                continue;
            var gone = there.Max;
            there.Remove(gone);
            wanted.Remove(gone.Page);
        }

        return (double)hits / all;
    }

    private sealed class RecordedPages(AttentionPolicy policy, int promptTokens, int pagesOfHead) : AttentionPolicy(policy.Spec)
    {
        private readonly Lock _gate = new();

        /// <summary>[positions]: what heads have asked for, in order.</summary>
        public List<HashSet<(int Place, int Page)>> Steps { get; } = [];

        public override int ObservedPromptRows => policy.ObservedPromptRows;

        public override bool ObservesDecode => policy.ObservesDecode;

        public override bool DecidesByLayer => policy.DecidesByLayer;

        public override bool ReadsEveryRow(int layer, (int First, int End) visible) => policy.ReadsEveryRow(layer, visible);

        public override double IndexBytesPerToken(int dim) => policy.IndexBytesPerToken(dim);

        public override long IndexBytesAt(HeadPlace place, int promptRows, int rows) => policy.IndexBytesAt(place, promptRows, rows);

        public override Selector CreateSelector(HeadPlace place) => new Recorded(this, place, policy.CreateSelector(place));

        public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
        {
            policy.CreateLayer(first, selectors);
            for (var i = 0; i < selectors.Length; i++)
                selectors[i] = new Recorded(this, first with { KvHead = i }, selectors[i]);
        }

        private void Add(HeadPlace place, int position, int page)
        {
            if (position < promptTokens)
                return;
            using var gate = _gate.EnterScope();
            while (Steps.Count <= position - promptTokens)
                Steps.Add([]);
            var number = ((((place.Layer * 2) + place.KvHead) * pagesOfHead) + page);
            Steps[position - promptTokens].Add((number, number));
        }

        private sealed class Recorded(RecordedPages owner, HeadPlace place, Selector selector) : Selector
        {
            public override long IndexBytes => selector.IndexBytes;

            public override int RowsWaiting => selector.RowsWaiting;

            public override int RowsBefore => selector.RowsBefore;

            public override void Append(KvHead head, int firstRow, int rowCount) => selector.Append(head, firstRow, rowCount);

            public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

            public override void Build(KvHead head, int rows, IndexScratch scratch) => selector.Build(head, rows, scratch);

            public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

            public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

            public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
                selector.Weighed(rows, listed, weights, stride, max);

            public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) =>
                selector.Observe(position, rows, weights, stride);

            public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
            {
                var more = selector.Select(query, round, sum, selection);
                foreach (var row in selection.Rows)
                    owner.Add(place, query.EndPosition - 1, row / PageRows);
                foreach (var (first, count) in selection.Ranges)
                {
                    for (var page = first / PageRows; page * PageRows < first + count; page++)
                        owner.Add(place, query.EndPosition - 1, page);
                }

                return more;
            }

            protected override void Dispose(bool disposing)
            {
                selector.Dispose();
                base.Dispose(disposing);
            }
        }
    }
}
