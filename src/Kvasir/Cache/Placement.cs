using System.Diagnostics;
using Kvasir.Cache.Slots;
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
    private readonly PageCounts _counts = new();
    private readonly AheadPace _pace = new();
    private readonly SlotTable _table;
    private readonly int _pageBytes;
    private int _reading;
    private int _pinned;
    private int _waiters;
    private int _changes;
    private (long Misses, long Foretold, long Wanted) _before;
    private string _readProblem = "";

    /// <param name="slots">The memory of pages.</param>
    /// <param name="store">Where they lie otherwise; disposed with the placement.</param>
    /// <param name="pageCount">The most pages that there will be.</param>
    public Placement(SlotMemory slots, IPageStore store, int pageCount, int pageBytes, PageEviction eviction)
    {
        (_slots, Store, _pageBytes) = (slots, store, pageBytes);
        _pages = new PageState[pageCount];
        _order = new SlotOrder(_pages, slots.Limit, eviction, Holds = new PageHolds(pageCount));
        _queue = new FetchQueue(this, pageBytes, ThreadCount, Math.Min(pageCount, slots.Limit + PageWrites.Most));
        _writes = new PageWrites(_pages, _order, _queue, _order.IsFixed);
        _order.Reserve(0);
        _counts.Reserve(0);
        _table = new SlotTable(_pages, slots, _order, _writes, _counts);
    }

    public IPageStore Store { get; }

    public PageHolds Holds { get; }

    /// <summary>The most pages that have been one head's: so many are pinned at once, and memory must hold them.</summary>
    public int MostPinned { get; private set; }

    /// <summary>Bytes of slots that indexes could have instead.</summary>
    public long YieldableBytes => Math.Max(0, ((long)(_slots.Count - (MostPinned + Holds.Count)) * _pageBytes) - _slots.SlabBytes);

    /// <summary>What was found in memory and what was not, since the beginning.</summary>
    public PageFigures Figures
    {
        get
        {
            lock (_gate)
                return _counts.Figures;
        }
    }

    /// <summary>Whether pages are read before anybody asks for them.</summary>
    public PageAhead Ahead { get; set; }

    /// <summary>Whether pages that are foretold are to be read, of a model of so many layers. Between layers.</summary>
    public bool ReadsAhead(int layerCount) => Ahead == PageAhead.On || (Ahead == PageAhead.Auto && _pace.Pays(layerCount));

    /// <summary>Another number whenever pages have come, or memory has: who found something missing looks again then. Asking waits for nobody.</summary>
    public int Changes => Volatile.Read(ref _changes);

    /// <summary>Where a page begins; it is pinned and ready.</summary>
    public nint Address(int page) => _slots.Address(_pages[page].Slot);

    /// <summary>A page, which is pinned and ready.</summary>
    public Span<byte> Bytes(int page, int offset, int length) => _slots.Bytes(_pages[page].Slot, offset, length);

    /// <summary>Says that a step begins: uses count once in each.</summary>
    public void BeginStep()
    {
        lock (_gate)
        {
            _table.Release();
            var (misses, foretold, wanted) = (_counts.Misses, _counts.Foretold, _counts.ForetoldUsed);
            _pace.EndStep((int)(misses - _before.Misses), (int)(foretold - _before.Foretold), (int)(foretold - _before.Foretold - wanted + _before.Wanted));
            _before = (misses, foretold, wanted);
            _order.BeginStep(_table.PageCount);
        }
    }

    /// <summary>Says which layer a page is of that has just been taken.</summary>
    public void Assign(int page, int layer)
    {
        lock (_gate)
        {
            _order.Reserve(layer);
            _counts.Reserve(layer);
            Invariant.Holds(!_pages[page].HasSlot);
            _pages[page].Layer = (ushort)layer;
        }
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
            while (!TryClaim(pages, writtenFrom, keepsUsed: false))
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
            return (isPinned = isPinned || TryClaim(pages, int.MaxValue, keepsUsed: true)) && AreReady(pages);
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

    /// <summary>
    /// Begins to read pages that will be pinned in this step, behind those that are waited for, as far as a quarter of memory has room for them. They stay
    /// until they were used or the step is over.
    /// </summary>
    /// <param name="areForetold">Whether it is not certain that somebody will come for them.</param>
    /// <returns>How many were missing, and how many of these will be read.</returns>
    public (int Missing, int Begun) Ask(ReadOnlySpan<int> pages, bool areForetold = false)
    {
        lock (_gate)
        {
            var (missing, begun) = (0, 0);
            foreach (var page in pages)
            {
                ref var state = ref _pages[page];
                if (state.HasSlot || !state.Has(PageFlags.OnFile))
                    continue;
                missing++;
                if (begun < missing - 1 || !_queue.CanAsk || !_table.TryAsk(page, ref state, areForetold))
                    continue;
                BeginRead(page, ref state);
                begun++;
            }

            return (missing, begun);
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
                _table.Settle(pages[i], ref state);
            }

            if (_writes.IsEager || (_slots.FreeCount < _slots.Limit / 4 && !_slots.TryAddSlab()))
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
            _table.Forget(page, ref state);
            Pulse();
        }
    }

    /// <summary>Gives a slab of memory up for something else: pages in it go to their file first. Between steps. False when that cannot be.</summary>
    public bool TryYield()
    {
        lock (_gate)
        {
            var (first, end) = _slots.LastSlab();
            if (first == end || _slots.Count - (end - first) < MostPinned + Holds.Count)
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
                        _table.Vacate(ref state);
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
            _counts.Reads++;
            _counts.ReadBytes += (long)count * Store.StoredBytes;
            for (var page = first; page < first + count; page++)
            {
                ref var state = ref _pages[page];
                state.Clear(PageFlags.Reading);
                if (problem is not null)
                    state.Set(PageFlags.Failed);
                if (state.Pins == 0 && (problem is not null || !state.Has(PageFlags.Asked)))
                    _table.Settle(page, ref state);
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
            _counts.WrittenBytes += problem is null ? (long)count * Store.StoredBytes : 0;
            for (var page = first; page < first + count; page++)
            {
                if (_pages[page].Pins == 0 && problem is null)
                    _table.Settle(page, ref _pages[page]);
            }

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

    private bool TryClaim(ReadOnlySpan<int> pages, int writtenFrom, bool keepsUsed)
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
        if (missing > 0 && !_table.TryMakeFree(missing, keepsUsed))
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
        var isFirst = _order.Use(ref state, out var isAgain);
        var isRead = !state.HasSlot && state.Has(PageFlags.OnFile);
        if (isRead || state.Has(PageFlags.Asked))
            _counts.Miss(state.Layer);
        else if (isFirst && state.HasSlot && !state.Has(PageFlags.Fresh))
            _counts.Hit(state.Layer);
        _counts.UsedAgain += isFirst && isAgain ? 1 : 0;
        if (_table.TryCome(ref state) && state.Has(PageFlags.Reading))
            _queue.Hurry(page);
        if (isRead)
            BeginRead(page, ref state);
        else if (!state.HasSlot)
            _table.Take(page, ref state);
        if (writes)
            state.Flags = (state.Flags & ~PageFlags.OnFile) | PageFlags.Dirty;
    }

    private void BeginRead(int page, ref PageState state)
    {
        _table.Take(page, ref state);
        state.Set(PageFlags.Reading | PageFlags.Fresh);
        _reading++;
        _queue.Read(page, isAhead: state.Has(PageFlags.Asked));
    }

    private bool AreReady(ReadOnlySpan<int> pages)
    {
        var areReady = true;
        foreach (var page in pages)
        {
            if (_pages[page].Has(PageFlags.Failed))
                throw new KvasirException(KvasirError.BadFile, $"keys and values that were put on file cannot be read back: {_readProblem}")
                { IsOfLostRows = true };
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
        _counts.WaitMs += Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private void Pulse()
    {
        _changes++;
        if (_waiters > 0)
            Monitor.PulseAll(_gate);
    }
}
