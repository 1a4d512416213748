using System.Diagnostics;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Cache;

/// <summary>Pages that lie in memory, on file or in both: random histories against an array, by several threads at once.</summary>
public sealed class PlacementTest
{
    private const int PageCount = 300;

    [Theory]
    [InlineData(PageEviction.Counted, 1, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.Lru, 2, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.Counted, 3)]
    [InlineData(PageEviction.LayerLru, 4, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.FlexGen, 5, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.ZeroInference, 6)]
    public void PagesHoldWhatWasWrittenToThemWhereverTheyLie(PageEviction eviction, int seed)
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        var store = new MemoryStore(layout.Bytes, PageCount) { MostDelay = 5, MostRun = seed };
        using var pool = new PagePool(layout, new MemoryBudget(40L * layout.Bytes), files: store, eviction: eviction);
        var placement = pool.Placement!;
        Run(threads: 4, thread =>
        {
            var random = new Random((seed * 100) + thread);
            // Each thread has pages of its own; memory has a third of what they are together.
            var pages = new List<(int Page, byte Content)>();
            for (var turn = 0; turn < 1500; turn++)
            {
                if (turn % 50 == 0)
                    placement.BeginStep();
                if (random.Next(4) == 0 && pages.Count < 30 && pool.TryTake(out var taken))
                    pages.Add((taken, Write(pool, taken, (byte)random.Next(256))));
                else if (random.Next(30) == 0 && pages.Count > 0)
                    Drop(pool, pages, random.Next(pages.Count));
                else if (random.Next(8) == 0 && pages.Count > 0)
                    Rewrite(pool, pages, random.Next(pages.Count), (byte)random.Next(256));
                else
                    Check(pool, pages, random, $"seed {seed}, thread {thread}, turn {turn}");
            }
        });
        pool.Verify();
        Assert.True(store.Reads > 100 && store.Writes > 100, $"{store.Reads} reads, {store.Writes} writes");
        Assert.InRange(pool.ResidentBytes, 1, 40L * layout.Bytes);
        var counts = placement.Figures;
        Assert.True((counts.Hits > 0 || eviction == PageEviction.ZeroInference) && counts.Misses > 0 && counts.Misses + counts.AheadUnused >= counts.Reads, counts.ToString());
    }

    // Read in a ring, of which memory holds a quarter, the oldest page is always the one that is wanted next.
    [Theory]
    [InlineData(PageEviction.Counted, 0.15, 0.27)]
    [InlineData(PageEviction.Lru, 0, 0.05, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.FlexGen, 0.18, 0.25, Traits = ["Needs", "Minutes"])]
    [InlineData(PageEviction.ZeroInference, 0, 0, Traits = ["Needs", "Minutes"])]
    public void ARingFindsTheShareOfMemoryThereAndNothingIfTheOldestGoes(PageEviction eviction, double least, double most)
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        using var pool = new PagePool(layout, new MemoryBudget(64L * layout.Bytes), files: new MemoryStore(layout.Bytes, PageCount), eviction: eviction);
        var pages = new int[256];
        foreach (ref var page in pages.AsSpan())
        {
            Assert.True(pool.TryTake(out page));
            Write(pool, page, 1, isFull: true);
        }

        var before = default(PageFigures);
        for (var step = 0; step < 60; step++)
        {
            before = step == 30 ? pool.Placement!.Figures : before;
            pool.Placement!.BeginStep();
            foreach (var page in pages)
            {
                pool.Placement.Pin([page]);
                pool.Placement.Unpin([page]);
            }
        }

        var (hits, misses) = (pool.Placement!.Figures.Hits - before.Hits, pool.Placement.Figures.Misses - before.Misses);
        Assert.InRange((double)hits / (hits + misses), least, most);
    }

    // Layers that are computed in a ring, each of which uses the same pages in every step; memory holds nine tenths of them.
    [Theory]
    [InlineData(PageEviction.Counted, 0.7)]
    [InlineData(PageEviction.Lru, 0)]
    [InlineData(PageEviction.LayerLru, 0.7)]
    public void AFloodLeavesWhatIsComputedSoonWhereLayersAreKnown(PageEviction eviction, double least)
    {
        const int Layers = 8;
        var trace = Enumerable.Range(0, 24).Select(static _ => Enumerable.Range(0, Layers).Select(static _ => Enumerable.Range(0, 30).ToArray()).ToArray()).ToArray();
        var hits = HitShare(eviction, trace, slots: Layers * 27, pagesOfLayer: 30, fromStep: 12);
        Assert.InRange(hits, least, eviction == PageEviction.Lru ? 0.35 : 1);
    }

    // Of each layer a few pages of many, most of them those of the step before: PSA's reason for a pool of all layers.
    [Theory]
    [InlineData(0.2, 1, Traits = ["Needs", "Minutes"])]
    [InlineData(0.4, 2, Traits = ["Needs", "Minutes"])]
    [InlineData(0.8, 3, Traits = ["Needs", "Minutes"])]
    [InlineData(1.3, 4)]
    public void KnowingLayersIsNoWorseThanTheOldest(double stepsInMemory, int seed)
    {
        const int Layers = 6;
        const int PagesOfLayer = 40;
        const int Used = 12;
        var random = new Random(seed);
        var chosen = Enumerable.Range(0, Layers).Select(_ => Enumerable.Range(0, PagesOfLayer).OrderBy(_ => random.Next()).Take(Used).ToArray()).ToArray();
        var trace = Enumerable.Range(0, 30).Select(_ => chosen.Select(layer =>
        {
            for (var change = 0; change < 3; change++)
                layer[random.Next(Used)] = Enumerable.Range(0, PagesOfLayer).Except(layer).OrderBy(_ => random.Next()).First();
            return layer.ToArray();
        }).ToArray()).ToArray();
        var hits = new[] { PageEviction.Lru, PageEviction.LayerLru, PageEviction.Counted }
            .Select(order => HitShare(order, trace, (int)(stepsInMemory * Layers * Used), PagesOfLayer, fromStep: 12)).ToArray();
        Assert.True(hits[1] >= hits[0] - 0.01, $"seed {seed}: lru {hits[0]:P1}, layer-lru {hits[1]:P1}, counted {hits[2]:P1}");
        // What is chosen anew at random rewards the newest; below a step's pages those are what is wanted last.
        Assert.True(hits[2] >= hits[0] - 0.01 || stepsInMemory > 1, $"seed {seed}: lru {hits[0]:P1}, layer-lru {hits[1]:P1}, counted {hits[2]:P1}");
    }

    [Fact]
    public void WhatIsReadAheadStaysUntilItIsUsedAndIsCounted()
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        using var pool = new PagePool(layout, new MemoryBudget(40L * layout.Bytes), files: new MemoryStore(layout.Bytes, PageCount));
        var placement = pool.Placement!;
        var pages = TakeAll(pool, 200, static _ => 0);
        // Those that were written last are in memory.
        for (var step = 0; step < 20; step++)
        {
            placement.BeginStep();
            var (asked, others) = (pages[(step * 8)..((step * 8) + 8)], pages[175..190]);
            var before = placement.Figures;
            var (missing, begun) = placement.Ask(asked);
            Assert.InRange(begun, 0, missing);
            foreach (var page in others)
            {
                placement.Pin([page]);
                placement.Unpin([page]);
            }

            placement.Pin(asked.AsSpan(0, 6));
            placement.Unpin(asked.AsSpan(0, 6));
            placement.BeginStep();
            var after = placement.Figures;
            Assert.True(after.AheadUsed + after.AheadUnused - before.AheadUsed - before.AheadUnused == begun, $"step {step}: {before}, {after}, {begun} begun");
            Assert.InRange(after.AheadUnused - before.AheadUnused, 0, 2);
        }

        Assert.True(placement.Figures is { AheadUsed: > 50, AheadUnused: > 10 }, placement.Figures.ToString());
        pool.Verify();
    }

    // Of no more than a quarter of memory, and what nobody comes for goes where there is need.
    [Fact]
    public void WhatIsReadAheadStandsInNobodysWay()
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        using var pool = new PagePool(layout, new MemoryBudget(16L * layout.Bytes), files: new MemoryStore(layout.Bytes, PageCount) { MostDelay = 3 });
        var pages = TakeAll(pool, 110, static _ => 0);
        for (var step = 0; step < 30; step++)
        {
            var (missing, begun) = pool.Placement!.Ask(pages.AsSpan(0, 60));
            Assert.InRange(begun, 0, Math.Min(missing, 4));
            pool.Placement.Pin(pages.AsSpan(60 + step, 16));
            pool.Placement.Unpin(pages.AsSpan(60 + step, 16));
            pool.Placement.BeginStep();
        }

        pool.Verify();
    }

    [Fact]
    public void IndexesTakeTheMemoryOfPagesThatAreOnFile()
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        var memory = new MemoryBudget(64L * layout.Bytes);
        using var pool = new PagePool(layout, memory, files: new MemoryStore(layout.Bytes, PageCount));
        var pages = new List<(int Page, byte Content)>();
        for (var i = 0; i < 200; i++)
        {
            Assert.True(pool.TryTake(out var page));
            pages.Add((page, Write(pool, page, (byte)i)));
        }

        pool.Placement!.Expect(10);
        Assert.True(pool.HasRoom(100, 30L * layout.Bytes));
        Assert.True(pool.TryTakeBeside(MemoryUse.Indexes, 30L * layout.Bytes));
        Assert.InRange(pool.ResidentBytes, 10L * layout.Bytes, 34L * layout.Bytes);
        // Memory that is one head's stays.
        Assert.False(pool.HasRoom(0, 30L * layout.Bytes));
        Assert.False(pool.TryTakeBeside(MemoryUse.Indexes, 30L * layout.Bytes));
        foreach (var (page, content) in pages)
            Assert.Equal(content, Read(pool, page));
        pool.Verify();
    }

    [Fact]
    public async Task WhoWantsMoreThanMemoryHoldsIsToldAndWhoWaitsForOthersIsNot()
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        using var pool = new PagePool(layout, new MemoryBudget(8L * layout.Bytes), files: new MemoryStore(layout.Bytes, PageCount));
        var pages = new int[12];
        foreach (ref var page in pages.AsSpan())
            Assert.True(pool.TryTake(out page));
        var placement = pool.Placement!;
        Assert.Contains($"12 pages of {layout.Bytes} bytes are needed at once", Assert.Throws<KvasirException>(() => placement.Pin(pages, writtenFrom: 0)).Message, StringComparison.Ordinal);
        placement.Pin(pages.AsSpan(0, 6), writtenFrom: 0);
        var isPinned = false;
        Assert.False(placement.TryPin(pages.AsSpan(6, 4), ref isPinned) || isPinned);
        var cancellation = TestContext.Current.CancellationToken;
        var waits = Task.Run(() => placement.Pin(pages.AsSpan(6, 4), writtenFrom: 0), cancellation);
        Assert.NotSame(waits, await Task.WhenAny(waits, Task.Delay(50, cancellation)));
        placement.Unpin(pages.AsSpan(0, 6), sealedCount: 6);
        await waits.WaitAsync(TimeSpan.FromSeconds(20), cancellation);
        placement.Unpin(pages.AsSpan(6, 4));
        pool.Verify();
    }

    private static int[] TakeAll(PagePool pool, int count, Func<int, int> layerOf)
    {
        var pages = new int[count];
        for (var i = 0; i < count; i++)
        {
            Assert.True(pool.TryTake(out pages[i]));
            pool.Placement!.Assign(pages[i], layerOf(i));
            Write(pool, pages[i], 1, isFull: true);
        }

        return pages;
    }

    /// <param name="trace">[steps][layers][pages]: what each step uses, as numbers within the layer.</param>
    private static double HitShare(PageEviction eviction, int[][][] trace, int slots, int pagesOfLayer, int fromStep)
    {
        var layout = KvFormat.F32.Page(8, PagePool.PageTokens);
        using var pool = new PagePool(layout, new MemoryBudget((long)slots * layout.Bytes), files: new MemoryStore(layout.Bytes, PageCount), eviction: eviction);
        var pages = TakeAll(pool, trace[0].Length * pagesOfLayer, i => i / pagesOfLayer);
        var before = default(PageFigures);
        for (var step = 0; step < trace.Length; step++)
        {
            before = step == fromStep ? pool.Placement!.Figures : before;
            pool.Placement!.BeginStep();
            for (var layer = 0; layer < trace[step].Length; layer++)
            {
                foreach (var page in trace[step][layer])
                {
                    pool.Placement.Pin([pages[(layer * pagesOfLayer) + page]]);
                    pool.Placement.Unpin([pages[(layer * pagesOfLayer) + page]]);
                }
            }
        }

        var after = pool.Placement!.Figures;
        Assert.Equal(after.Hits + after.Misses, after.Layers.Sum(static layer => layer.Hits + layer.Misses));
        return (double)(after.Hits - before.Hits) / (after.Hits - before.Hits + after.Misses - before.Misses);
    }

    private static void Run(int threads, Action<int> work)
    {
        var running = Enumerable.Range(0, threads).Select(i => Task.Factory.StartNew(() => work(i), TaskCreationOptions.LongRunning)).ToArray();
        Task.WaitAll(running);
    }

    private static byte Write(PagePool pool, int page, byte content, bool isFull = false)
    {
        pool.Placement!.Pin([page], writtenFrom: 0);
        pool.Bytes(page, 0, pool.PageBytes).Fill(content);
        pool.Placement.Unpin([page], sealedCount: isFull || page % 5 > 0 ? 1 : 0);
        return content;
    }

    private static byte Read(PagePool pool, int page)
    {
        pool.Placement!.Pin([page]);
        var bytes = pool.Bytes(page, 0, pool.PageBytes);
        var content = bytes.ContainsAnyExcept(bytes[0]) ? throw new UnreachableException($"page {page} is torn") : bytes[0];
        pool.Placement.Unpin([page]);
        return content;
    }

    private static void Rewrite(PagePool pool, List<(int Page, byte Content)> pages, int at, byte content) =>
        pages[at] = (pages[at].Page, Write(pool, pages[at].Page, content));

    private static void Drop(PagePool pool, List<(int Page, byte Content)> pages, int at)
    {
        pool.Return(pages[at].Page);
        pages.RemoveAt(at);
    }

    // Some at once, which others may want too.
    private static void Check(PagePool pool, List<(int Page, byte Content)> pages, Random random, string what)
    {
        var first = random.Next(pages.Count + 1);
        var some = pages.GetRange(first, Math.Min(random.Next(6), pages.Count - first));
        var numbers = some.Select(static at => at.Page).ToArray();
        pool.Placement!.Ask(numbers);
        pool.Placement.Pin(numbers);
        foreach (var (page, content) in some)
            Assert.True(!pool.Bytes(page, 0, pool.PageBytes).ContainsAnyExcept(content), what);
        pool.Placement.Unpin(numbers);
    }
}
