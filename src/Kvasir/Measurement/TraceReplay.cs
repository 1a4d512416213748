using Kvasir.Cache.Slots;

namespace Kvasir.Measurement;

/// <summary>
/// What memory of some size would find of a <see cref="PageTrace"/> if pages left it in some order, by the engine's own orders, without a model or a file.
/// </summary>
public sealed class TraceReplay
{
    private readonly int[][] _steps;
    private readonly int _pagesOfHead;
    private readonly int _kvHeadCount;
    private readonly int _count;
    private readonly int _first;

    public TraceReplay(PageTrace trace)
    {
        ArgumentNullException.ThrowIfNull(trace);
        _kvHeadCount = trace.KvHeadCount;
        _pagesOfHead = 1 + trace.Steps.Max(static step => step.Max(static head => head is [.., var last] ? last : 0));
        _count = checked(trace.LayerCount * trace.KvHeadCount * _pagesOfHead);
        // Layers in the order of a step.
        _steps = [.. trace.Steps.Select(step => step.SelectMany((pages, head) => pages.Select(page => (head * _pagesOfHead) + page)).ToArray())];
        // Memory begins empty; what a step finds there counts once it is full.
        _first = Math.Min(PageTrace.NewSteps, _steps.Length / 2);
        PagesPerStep = Math.Max(1, trace.PagesPerStep);
    }

    /// <summary>As of the trace, and 1 at least.</summary>
    public double PagesPerStep { get; }

    /// <summary>Of the pages that steps want, the share that is there.</summary>
    /// <param name="pools">What memory holds, in pages of a step.</param>
    public double Hits(double pools, PageEviction order)
    {
        var slots = Math.Max(1, (int)(pools * PagesPerStep));
        var (pages, free) = (new PageState[_count], new Stack<int>(Enumerable.Range(0, slots).Reverse()));
        var slotOrder = new SlotOrder(pages, slots, order, new PageHolds(_count));
        for (var page = 0; page < _count; page++)
            pages[page].Layer = (ushort)(page / _pagesOfHead / _kvHeadCount);
        slotOrder.Reserve(pages[^1].Layer);
        var (hits, all) = (0L, 0L);
        for (var step = 0; step < _steps.Length; step++)
        {
            slotOrder.BeginStep(_count);
            foreach (var page in _steps[step])
            {
                ref var state = ref pages[page];
                slotOrder.Use(ref state, out _);
                if (step >= _first)
                    (hits, all) = (hits + (state.HasSlot ? 1 : 0), all + 1);
                if (!state.HasSlot)
                    Come(page, pages, slotOrder, free);
            }
        }

        return all == 0 ? double.NaN : (double)hits / all;
    }

    /// <summary>The same where what is wanted last leaves first, which nobody can know: no order finds more.</summary>
    /// <param name="pools">What memory holds, in pages of a step.</param>
    public double Optimum(double pools)
    {
        var slots = Math.Max(1, (int)(pools * PagesPerStep));
        var uses = _steps.SelectMany(static (step, index) => step.Select(page => (page, index))).ToArray();
        var (next, last) = (new int[uses.Length], new Dictionary<int, int>());
        for (var i = uses.Length - 1; i >= 0; i--)
            (next[i], last[uses[i].page]) = (last.GetValueOrDefault(uses[i].page, int.MaxValue - uses[i].page), i);
        var (there, wanted) = (new SortedSet<(int Next, int Page)>(), new Dictionary<int, int>());
        var (hits, all) = (0L, 0L);
        for (var i = 0; i < uses.Length; i++)
        {
            var (page, step) = uses[i];
            all += step >= _first ? 1 : 0;
            if (wanted.Remove(page, out var at))
            {
                there.Remove((at, page));
                hits += step >= _first ? 1 : 0;
            }

            wanted[page] = next[i];
            there.Add((next[i], page));
            if (there.Count <= slots)
                continue;
            var gone = there.Max;
            there.Remove(gone);
            wanted.Remove(gone.Page);
        }

        return all == 0 ? double.NaN : (double)hits / all;
    }

    // A page that was missing takes the place of one that has left by then, or leaves at once. Of what memory holds an eighth is for what passes through.
    private static void Come(int page, PageState[] pages, SlotOrder order, Stack<int> free)
    {
        if (order.Passes(page))
            return;
        if (!free.TryPop(out var slot))
        {
            if (order.Victim() is not (>= 0 and var victim) || order.Bypasses(pages[page], pages[victim]))
                return;
            slot = pages[victim].Slot;
            order.Clear(slot);
            pages[victim].Slot = -1;
        }

        pages[page].Slot = slot;
        order.Place(slot, page);
    }
}
