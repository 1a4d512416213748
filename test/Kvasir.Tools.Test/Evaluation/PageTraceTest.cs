using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Evaluation;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
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
        var (perStep, replay) = ((int)trace.PagesPerStep, new TraceReplay(trace));
        var shares = new List<string>();
        var lacks = false;
        foreach (var steps in new[] { 1.5, 2, 3, 5 })
        {
            var slots = (int)(steps * perStep);
            var (optimum, counted, lru) = (replay.Optimum(steps), Found(trace, slots, PageEviction.Counted), Found(trace, slots, PageEviction.Lru));
            // What is replayed without a pool comes to what a pool does.
            Assert.Equal(counted, replay.Hits(steps, PageEviction.Counted), 0.05);
            Assert.Equal(lru, replay.Hits(steps, PageEviction.Lru), 0.05);
            shares.Add($"{steps} steps of {perStep} pages: counted {counted:P1}, lru {lru:P1}, optimum {optimum:P1}, share {counted / optimum:P1}");
            // What was written last is there when counting begins, and the optimum begins with nothing.
            lacks |= counted < least * optimum || optimum is 0 or 1;
        }

        Assert.False(lacks, $"{policy}\n{string.Join('\n', shares)}");
        TestContext.Current.TestOutputHelper?.WriteLine($"{policy}\n{string.Join('\n', shares)}");
    }

    private static PageTrace Record(string policy, int contextTokens, int steps)
    {
        using var model = Model.Load("needle");
        var sample = TaskCatalog.Create("needle_multikey").Generate(new SampleRequest(model.Tokenizer, contextTokens, Seed: 5, Index: 0));
        var prompt = PromptTokens.Of(model.Tokenizer, sample).Tokens.ToArray();
        var record = new PageRecorder(PolicyCatalog.Parse(policy), prompt.Length);
        using var engine = new Engine(model, new EngineOptions { KvMemoryBytes = 256 << 20, ContextTokens = contextTokens + steps });
        var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = steps, IgnoreEnd = true, Attention = record, Sampling = new SamplingOptions { Temperature = 1, Seed = 7 } });
        engine.Submit(sequence);
        while (engine.Step())
        {
        }

        Assert.Null(sequence.Failure);
        return record.Trace("needle");
    }

    private static double Found(PageTrace recorded, int slots, PageEviction eviction)
    {
        using var folder = new TempFolder();
        var pagesOfHead = recorded.Steps.Max(static step => step.Max(static head => head[^1])) + 1;
        // In the order in which they are asked for, by number: (head of all layers x pages of a head) + page.
        int[][] trace = [.. recorded.Steps.Select(step => step.SelectMany((pages, head) => pages.Select(page => (head * pagesOfHead) + page)).ToArray())];
        var (layout, count) = (KvFormat.F32.Page(8, PageRows), recorded.LayerCount * recorded.KvHeadCount * pagesOfHead);
        using var pool = new PagePool(
            layout, new MemoryBudget((long)slots * layout.Bytes), files: new ScratchStore(folder.Path, layout.Bytes, count * ((layout.Bytes + 4095) / 4096 * 4096L)), eviction: eviction);
        var (placement, pages) = (pool.Placement!, new int[count]);
        for (var i = 0; i < count; i++)
        {
            Assert.True(pool.TryTake(out pages[i]));
            placement.Assign(pages[i], i / pagesOfHead / recorded.KvHeadCount);
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
}
