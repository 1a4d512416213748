using Kvasir.Cache.Slots;
using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// Which page has which slot: slots are taken, given up for others, and kept for what was asked for. Under the lock of the <see cref="Placement"/>.
/// </summary>
/// <param name="pages">All of them.</param>
internal sealed class SlotTable(PageState[] pages, SlotMemory slots, SlotOrder order, PageWrites writes, PageCounts counts)
{
    // Pages that were asked for, some of which may have been used since.
    private readonly int[] _asked = new int[Math.Max(1, slots.Limit / 4)];
    private int _askedCount;

    /// <summary>Pages that hold something, in memory or on file.</summary>
    public int PageCount { get; private set; }

    /// <summary>Gives a page a free slot.</summary>
    public void Take(int page, ref PageState state)
    {
        var isTaken = slots.TryTake(out var slot);
        Invariant.Holds(isTaken);
        PageCount += state.Has(PageFlags.OnFile) ? 0 : 1;
        state.Slot = slot;
        order.Place(slot, page);
    }

    /// <summary>Takes a page's slot from it.</summary>
    public void Vacate(ref PageState state)
    {
        order.Clear(state.Slot);
        slots.Return(state.Slot);
        state.Slot = -1;
        state.Clear(PageFlags.Fresh | PageFlags.Failed | PageFlags.Asked | PageFlags.Foretold);
    }

    /// <summary>Forgets what a page holds.</summary>
    public void Forget(int page, ref PageState state)
    {
        PageCount -= state.HasSlot || state.Has(PageFlags.OnFile) ? 1 : 0;
        if (state.HasSlot)
            Vacate(ref state);
        state = new PageState { Flags = state.Flags & PageFlags.Listed };
    }

    /// <summary>A page that nobody has pinned any more stays, or makes room for the next: see <see cref="SlotOrder"/>.</summary>
    public void Settle(int page, ref PageState state)
    {
        // Who gave it up did not wait for it; its slot is being written to.
        if (state.Has(PageFlags.Reading))
            return;
        if (state.Has(PageFlags.Failed))
        {
            // What cannot be read is nowhere, and who comes again reads again.
            Vacate(ref state);
            state.Set(PageFlags.OnFile);
            state.Clear(PageFlags.Dirty);
            return;
        }

        if (state.IsIdle && state.HasSlot && order.Passes(page))
            Vacate(ref state);
        if (!state.Has(PageFlags.Fresh))
            return;
        state.Clear(PageFlags.Fresh);
        if (order.IsFixed || slots.FreeCount >= slots.Limit / 8 || slots.TryAddSlab() || order.Victim() is not (>= 0 and var victim))
            return;
        if (!order.Bypasses(state, pages[victim]))
            Vacate(ref pages[victim]);
        else if (!state.Has(PageFlags.Dirty))
            Vacate(ref state);
    }

    /// <summary>Makes sure that so many slots are free. False when too few pages can leave now; then what can be written is on its way.</summary>
    /// <param name="keepsUsed">Whether pages stay that steps use: who can wait takes no others' place than those that pass through memory.</param>
    public bool TryMakeFree(int count, bool keepsUsed)
    {
        while (slots.FreeCount < count)
        {
            if (slots.TryAddSlab())
                continue;
            if (order.Victim() is >= 0 and var victim && !(keepsUsed && order.IsUsed(victim)))
            {
                Vacate(ref pages[victim]);
            }
            else if (keepsUsed)
            {
                return false;
            }
            else if (_askedCount > 0)
            {
                // What was asked for stays as long as nobody has to wait for its memory.
                Release();
            }
            else
            {
                if (writes.UnderWay == 0 && writes.BeginListed() == 0)
                    writes.BeginOpen(slots.Limit);
                return false;
            }
        }

        return true;
    }

    /// <summary>Says that somebody will come for a page, and makes sure that a slot is free for it. False when there is no room for more of these.</summary>
    /// <param name="isForetold">Whether it is not certain that somebody will.</param>
    public bool TryAsk(int page, ref PageState state, bool isForetold)
    {
        if (_askedCount == _asked.Length && !TryForgetUsed())
            return false;
        if (!TryMakeFree(1, keepsUsed: true))
            return false;
        state.Set(isForetold ? PageFlags.Asked | PageFlags.Foretold : PageFlags.Asked);
        counts.Foretold += isForetold ? 1 : 0;
        _asked[_askedCount++] = page;
        return true;
    }

    /// <summary>Says that somebody has come for a page. False when nobody had asked for it.</summary>
    public bool TryCome(ref PageState state)
    {
        if (!state.Has(PageFlags.Asked))
            return false;
        counts.AheadUsed++;
        counts.ForetoldUsed += state.Has(PageFlags.Foretold) ? 1 : 0;
        state.Clear(PageFlags.Asked | PageFlags.Foretold);
        return true;
    }

    /// <summary>Gives up what was asked for and nobody has come for.</summary>
    public void Release()
    {
        foreach (var page in _asked.AsSpan(0, _askedCount))
        {
            ref var state = ref pages[page];
            if (!state.Has(PageFlags.Asked))
                continue;
            state.Clear(PageFlags.Asked | PageFlags.Foretold);
            counts.AheadUnused++;
            if (state.Pins == 0 && !state.Has(PageFlags.Reading))
                Settle(page, ref state);
        }

        _askedCount = 0;
    }

    // One list for all: looking it through is worth it for many, not for each.
    private bool TryForgetUsed()
    {
        var left = 0;
        foreach (var page in _asked)
        {
            if (pages[page].Has(PageFlags.Asked))
                _asked[left++] = page;
        }

        _askedCount = left;
        return left <= _asked.Length / 2;
    }
}
