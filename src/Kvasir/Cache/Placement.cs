using System.Diagnostics;
using Kvasir.Ground;
using Kvasir.Kernels.Files;

namespace Kvasir.Cache;

/// <summary>
/// Which pages lie in memory, which on file, and which in both. Pages are numbers; where one lies in memory is a number too, its slot, and may be another
/// whenever somebody comes for it. Who reads or writes pages pins them meanwhile, all that are needed at once or none: who has some and waits for others
/// could wait for ever. For any number of threads.
/// </summary>
internal sealed class Placement : IDisposable
{
    private const int ThreadCount = 8;
    private readonly object _gate = new();
    private readonly SlotMemory _slots;
    private readonly SlotOrder _order;
    private readonly FetchQueue _queue;
    private readonly PageState[] _pages;
    private readonly PageWrites _writes;
    private readonly int _pageBytes;
    private int _reading;
    private int _pinned;
    private int _waiters;
    private string _readProblem = "";
    private PageFigures _counts;

    /// <param name="slots">The memory of pages.</param>
    /// <param name="store">Where they lie otherwise; disposed with the placement.</param>
    /// <param name="pageCount">The most pages that there will be.</param>
    public Placement(SlotMemory slots, IPageStore store, int pageCount, int pageBytes, PageEviction eviction)
    {
        (_slots, Store, _pageBytes) = (slots, store, pageBytes);
        _pages = new PageState[pageCount];
        _order = new SlotOrder(_pages, slots.Limit, eviction);
        _queue = new FetchQueue(this, pageBytes, ThreadCount, Math.Min(pageCount, slots.Limit + PageWrites.Most));
        _writes = new PageWrites(_pages, _order, _queue);
    }

    public IPageStore Store { get; }

    /// <summary>The most pages that have been one head's: so many are pinned at once, and memory must hold them.</summary>
    public int MostPinned { get; private set; }

    /// <summary>Bytes of slots that indexes could have instead.</summary>
    public long YieldableBytes => Math.Max(0, ((long)_slots.Count * _pageBytes) - ((long)MostPinned * _pageBytes) - _slots.SlabBytes);

    /// <summary>What was found in memory and what was not, since the beginning.</summary>
    public PageFigures Figures
    {
        get
        {
            lock (_gate)
                return _counts;
        }
    }

    /// <summary>Where a page begins; it is pinned and ready.</summary>
    public nint Address(int page) => _slots.Address(_pages[page].Slot);

    /// <summary>A page, which is pinned and ready.</summary>
    public Span<byte> Bytes(int page, int offset, int length) => _slots.Bytes(_pages[page].Slot, offset, length);

    /// <summary>Says that a step begins: uses count once in each.</summary>
    public void BeginStep()
    {
        lock (_gate)
            _order.BeginStep();
    }

    /// <summary>Says that a head has so many pages.</summary>
    public void Expect(int pages) => MostPinned = Math.Max(MostPinned, pages);

    /// <summary>Pins pages and waits until they are there.</summary>
    /// <param name="pages">Some may be named twice.</param>
    /// <param name="writtenFrom">From which of them on they will be written to: what a file has of those is worth nothing then.</param>
    /// <exception cref="KvasirException">One cannot be read, or memory has no room for all of them; none is pinned.</exception>
    public void Pin(ReadOnlySpan<int> pages, int writtenFrom = int.MaxValue)
    {
        lock (_gate)
        {
            while (!TryClaim(pages, writtenFrom))
            {
                RequireHope(pages.Length);
                Wait();
            }

            try
            {
                Await(pages);
            }
            catch
            {
                Unpin(pages);
                throw;
            }
        }
    }

    /// <summary>Pins pages unless they are, if there is room for all of them, and begins to read those that are missing. False until all are there.</summary>
    /// <exception cref="KvasirException">One cannot be read; all are pinned still.</exception>
    public bool TryPin(ReadOnlySpan<int> pages, ref bool isPinned)
    {
        lock (_gate)
            return (isPinned = isPinned || TryClaim(pages, int.MaxValue)) && AreReady(pages);
    }

    /// <summary>Waits until pages that are pinned are there.</summary>
    /// <exception cref="KvasirException">One cannot be read; all are pinned still.</exception>
    public void Await(ReadOnlySpan<int> pages)
    {
        lock (_gate)
        {
            while (!AreReady(pages))
                Wait();
        }
    }

    /// <summary>Begins to read pages that will be pinned soon, as far as there is memory that nobody else needs more.</summary>
    public void Ask(ReadOnlySpan<int> pages)
    {
        lock (_gate)
        {
            foreach (var page in pages)
            {
                if (_reading >= Math.Max(1, _slots.Limit / 4))
                    return;
                ref var state = ref _pages[page];
                if (state.HasSlot || !state.Has(PageFlags.OnFile))
                    continue;
                if (!TryMakeFree(1))
                    return;
                BeginRead(page, ref state);
            }
        }
    }

    /// <summary>Gives pins back.</summary>
    /// <param name="pages">As they were pinned.</param>
    /// <param name="sealedCount">How many of the first of them, which were written to, will not be soon again.</param>
    public void Unpin(ReadOnlySpan<int> pages, int sealedCount = 0)
    {
        lock (_gate)
        {
            for (var i = 0; i < pages.Length; i++)
            {
                ref var state = ref _pages[pages[i]];
                Invariant.Holds(state.Pins > 0);
                if (i < sealedCount && state.Has(PageFlags.Dirty) && !state.Has(PageFlags.Listed))
                    _writes.List(pages[i], ref state);
                if (--state.Pins > 0)
                    continue;
                _pinned--;
                Settle(pages[i], ref state);
            }

            if (_slots.FreeCount < _slots.Limit / 4 && !_slots.TryAddSlab())
                _writes.BeginListed();
            Pulse();
        }
    }

    /// <summary>Forgets a page, which nobody has pinned. Waits for a read or write of it that has begun.</summary>
    public void Forget(int page)
    {
        lock (_gate)
        {
            ref var state = ref _pages[page];
            while (state.Has(PageFlags.Reading) || state.Has(PageFlags.Writing))
                Wait();
            Invariant.Holds(state.Pins == 0);
            if (state.HasSlot)
                Vacate(page, ref state);
            state = new PageState { Flags = state.Flags & PageFlags.Listed };
            Pulse();
        }
    }

    /// <summary>Gives a slab of memory up for something else: pages in it go to their file first. Between steps. False when that cannot be.</summary>
    public bool TryYield()
    {
        lock (_gate)
        {
            var (first, end) = _slots.LastSlab();
            if (first == end || (long)(_slots.Count - (end - first)) < MostPinned)
                return false;
            var failedBefore = _writes.FailureCount;
            for (var slot = first; slot < end; slot++)
            {
                while (_order.PageAt(slot) is >= 0 and var page)
                {
                    ref var state = ref _pages[page];
                    if (state.Pins > 0 || _writes.FailureCount > failedBefore)
                        return false;
                    if (state.Has(PageFlags.Reading) || state.Has(PageFlags.Writing) || (state.Has(PageFlags.Dirty) && _writes.Begin(page, ref state)))
                        Wait();
                    else
                        Vacate(page, ref state);
                }
            }

            return _slots.Trim();
        }
    }

    /// <summary>Says that pages are in their slots, or why they cannot be read: who has them pinned is told, and who comes later tries again.</summary>
    public void EndRead(int first, int count, string? problem)
    {
        lock (_gate)
        {
            _readProblem = problem ?? _readProblem;
            _reading -= count;
            _counts = _counts with { Reads = _counts.Reads + 1, ReadBytes = _counts.ReadBytes + ((long)count * Store.PageBytes) };
            for (var page = first; page < first + count; page++)
            {
                ref var state = ref _pages[page];
                state.Clear(PageFlags.Reading);
                if (problem is null)
                    continue;
                state.Set(PageFlags.Failed);
                if (state.Pins == 0)
                    Settle(page, ref state);
            }

            Pulse();
        }
    }

    /// <summary>Says that pages are on file, or why they are not.</summary>
    public void EndWrite(int first, int count, string? problem)
    {
        lock (_gate)
        {
            _writes.End(first, count, problem);
            _counts = _counts with { WrittenBytes = _counts.WrittenBytes + (problem is null ? (long)count * Store.PageBytes : 0) };
            Pulse();
        }
    }

    /// <summary>Checks that slots and pages agree. When nothing is read, written or pinned.</summary>
    public void Verify()
    {
        lock (_gate)
        {
            while (_reading + _writes.UnderWay > 0)
                Wait();
            Invariant.Holds(_pinned == 0);
            _slots.Verify(slot => _order.PageAt(slot) >= 0 && _pages[_order.PageAt(slot)].Slot == slot);
        }
    }

    public void Dispose()
    {
        _queue.Dispose();
        Store.Dispose();
    }

    private bool TryClaim(ReadOnlySpan<int> pages, int writtenFrom)
    {
        var missing = 0;
        for (var i = 0; i < pages.Length; i++)
        {
            missing += _pages[pages[i]].HasSlot ? 0 : 1;
            if (i >= writtenFrom && _pages[pages[i]].Has(PageFlags.Writing))
                return false;
        }

        foreach (var page in pages)
            _pinned += _pages[page].Pins++ == 0 ? 1 : 0;
        if (missing > 0 && !TryMakeFree(missing))
        {
            foreach (var page in pages)
                _pinned -= --_pages[page].Pins == 0 ? 1 : 0;
            return false;
        }

        for (var i = 0; i < pages.Length; i++)
            Claim(pages[i], ref _pages[pages[i]], i >= writtenFrom);
        return true;
    }

    private void Claim(int page, ref PageState state, bool writes)
    {
        var isHit = _order.Use(ref state) && state.HasSlot && !state.Has(PageFlags.Fresh);
        _counts = _counts with { Hits = _counts.Hits + (isHit ? 1 : 0) };
        if (!state.HasSlot && state.Has(PageFlags.OnFile))
            BeginRead(page, ref state);
        else if (!state.HasSlot)
            TakeSlot(page, ref state);
        if (writes)
            state.Flags = (state.Flags & ~PageFlags.OnFile) | PageFlags.Dirty;
    }

    private void BeginRead(int page, ref PageState state)
    {
        TakeSlot(page, ref state);
        state.Set(PageFlags.Reading | PageFlags.Fresh);
        (_reading, _counts) = (_reading + 1, _counts with { Misses = _counts.Misses + 1 });
        _queue.Read(page);
    }

    private void TakeSlot(int page, ref PageState state)
    {
        var isTaken = _slots.TryTake(out var slot);
        Invariant.Holds(isTaken);
        state.Slot = slot;
        _order.Place(slot, page);
    }

    private void Vacate(int page, ref PageState state)
    {
        _order.Clear(state.Slot);
        _slots.Return(state.Slot);
        state.Slot = -1;
        state.Clear(PageFlags.Fresh | PageFlags.Failed);
    }

    // A page that nobody has pinned any more stays, or makes room for the next: see SlotOrder.
    private void Settle(int page, ref PageState state)
    {
        if (state.Has(PageFlags.Failed))
        {
            // What cannot be read is nowhere, and who comes again reads again.
            Vacate(page, ref state);
            state.Set(PageFlags.OnFile);
            state.Clear(PageFlags.Dirty);
            return;
        }

        if (!state.Has(PageFlags.Fresh))
            return;
        state.Clear(PageFlags.Fresh);
        if (_slots.FreeCount >= _slots.Limit / 8 || _slots.TryAddSlab() || _order.Victim() is not (>= 0 and var victim))
            return;
        if (!_order.Bypasses(state, _pages[victim]))
            Vacate(victim, ref _pages[victim]);
        else if (!state.Has(PageFlags.Dirty))
            Vacate(page, ref state);
    }

    private bool TryMakeFree(int count)
    {
        while (_slots.FreeCount < count)
        {
            if (_slots.TryAddSlab())
                continue;
            if (_order.Victim() is not (>= 0 and var victim))
            {
                if (_writes.UnderWay == 0 && _writes.BeginListed() == 0)
                    _writes.BeginOpen(_slots.Limit);
                return false;
            }

            Vacate(victim, ref _pages[victim]);
        }

        return true;
    }

    private bool AreReady(ReadOnlySpan<int> pages)
    {
        var areReady = true;
        foreach (var page in pages)
        {
            if (_pages[page].Has(PageFlags.Failed))
                throw new KvasirException(KvasirError.BadFile, $"keys and values that were put on file cannot be read back: {_readProblem}");
            areReady &= !_pages[page].Has(PageFlags.Reading);
        }

        return areReady;
    }

    // Whoever waits for room is told when there will be none.
    private void RequireHope(int count)
    {
        if (_pinned + _reading + _writes.UnderWay > 0)
            return;
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            _writes.Problem is null
                ? $"{count} pages of {_pageBytes} bytes are needed at once, and the KV memory has {_slots.Count} for keys and values"
                : $"keys and values do not fit into the KV memory, and cannot be put on file: {_writes.Problem}");
    }

    private void Wait()
    {
        var start = Stopwatch.GetTimestamp();
        _waiters++;
        Monitor.Wait(_gate);
        _waiters--;
        _counts = _counts with { WaitMs = _counts.WaitMs + Stopwatch.GetElapsedTime(start).TotalMilliseconds };
    }

    private void Pulse()
    {
        if (_waiters > 0)
            Monitor.PulseAll(_gate);
    }
}
