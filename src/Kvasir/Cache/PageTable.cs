using Kvasir.Cache.Slots;
using Kvasir.Ground;

namespace Kvasir.Cache;

/// <summary>
/// The pages of one head, in order of its rows. Pages may be shared with others; whoever wants to write to one makes it its own. The table takes memory for the
/// pages that there are, and doubles.
/// </summary>
internal sealed class PageTable
{
    /// <summary>In the place of a page that was given up while those behind it stay where they are.</summary>
    public const int Vacant = -1;

    private const int LeastRoom = 16;
    private readonly PagePool _pool;
    private readonly int _layer;
    private readonly KvWindows? _window;
    private int[] _pages = [];
    private nint[] _addresses = [];
    private int _heldFrom = int.MaxValue;
    private int _shownCopies;

    /// <param name="maxPages">The most that it will ever have.</param>
    /// <param name="layer">Of the head.</param>
    /// <param name="window">Of that layer; null where rows stay that no position to come sees.</param>
    public PageTable(PagePool pool, int maxPages, int layer = 0, KvWindows? window = null) =>
        (_pool, MaxCount, _layer, _window) = (pool, maxPages, layer, window);

    public int Count { get; private set; }

    public int MaxCount { get; }

    /// <summary>Whether pages are given up that no position to come sees.</summary>
    public bool HasWindow => _window is not null;

    /// <summary>Places at the front whose pages were given up.</summary>
    public int VacantCount { get; private set; }

    public ReadOnlySpan<int> Pages => _pages.AsSpan(0, Count);

    /// <summary>Of the pages, and behind them of those with copies of rows, where they are shown.</summary>
    public ReadOnlySpan<nint> Addresses => _addresses.AsSpan(0, Count + _shownCopies);

    /// <summary>Copies of rows of the first pages; null for none.</summary>
    public RowCopies? Copies { get; private set; }

    /// <summary>Pages at the front that may leave memory between steps.</summary>
    public int ColdCount { get; set; }

    /// <summary>The first pages, to be read while this table has them.</summary>
    public PageTable First(int count) =>
        new(_pool, count, _layer) { Count = count, VacantCount = Math.Min(VacantCount, count), _pages = _pages, _addresses = _addresses };

    /// <summary>Where its pages lie that may be on file; they are pinned before they are read or written.</summary>
    public Placement? Placement => _pool.Placement;

    /// <summary>Begins to read pages that will be pinned soon.</summary>
    /// <param name="rows">The first so many rows.</param>
    public void Ask(int rows)
    {
        var end = Math.Min(Count, KvHead.PagesFor(rows));
        Placement!.Ask(Pages[Math.Min(VacantCount, end)..end]);
    }

    /// <summary>Pages that growing to so many rows would take and hold in memory.</summary>
    public int CountToHold(int rows) => Math.Max(0, CountFor(rows) - Math.Max(Count, _heldFrom));

    /// <summary>Holds the pages from a place on in memory, those that will come among them, and no others.</summary>
    public void HoldFrom(int index)
    {
        var (before, holds) = (_heldFrom, Placement!.Holds);
        _heldFrom = index;
        for (var i = Math.Max(VacantCount, Math.Min(before, index)); i < Math.Min(Count, Math.Max(before, index)); i++)
        {
            if (index < before)
                holds.Hold(_pages[i]);
            else
                holds.Let(_pages[i]);
        }
    }

    /// <summary>Makes room for copies of a page's worth of rows.</summary>
    public void AddCopies(nint address)
    {
        (Copies ??= new RowCopies()).Add(address);
        Reserve(Count);
    }

    /// <summary>Forgets all copies; their memory is nothing to the table any more.</summary>
    public void DropCopies() => (Copies, _shownCopies) = (null, 0);

    /// <summary>The row of a copy, for as long as no page is taken.</summary>
    public int RowOfCopy(int place) => (Count * PagePool.PageTokens) + place;

    /// <summary>Shows where copies lie, as pages behind the others.</summary>
    public void ShowCopies()
    {
        if (Copies is null)
            return;
        Copies.Pages.CopyTo(_addresses.AsSpan(Count));
        _shownCopies = Copies.Pages.Length;
    }

    /// <summary>Copies a row of a page that is pinned and may leave memory, if there is room.</summary>
    public void CopyRow(int row)
    {
        if (Copies is null || row >= ColdCount * PagePool.PageTokens || Copies.TryFind(row, out _) || !Copies.TryPlace(row, out var place))
            return;
        ShowCopies();
        _pool.Layout.Keys(Addresses).Copy(row, RowOfCopy(place), 1);
        _pool.Layout.Values(Addresses).Copy(row, RowOfCopy(place), 1);
    }

    /// <summary>
    /// Copies the rows of the first page there is that stay by an edit, so that the page is needed no longer, and gives up copies of rows before it that do
    /// not. False when there is no room.
    /// </summary>
    public bool TryKeepOldest(RowEdit edit)
    {
        var (copies, index) = (Copies!, VacantCount);
        copies.DropSpent(edit.Keeps);
        Placement!.Pin(Pages.Slice(index, 1));
        try
        {
            Locate(index, 1);
            for (var row = index * PagePool.PageTokens; row < (index + 1) * PagePool.PageTokens; row++)
            {
                if (!edit.Keeps(row))
                    continue;
                CopyRow(row);
                if (!copies.TryFind(row, out _))
                    return false;
            }

            return true;
        }
        finally
        {
            Placement.Unpin(Pages.Slice(index, 1));
        }
    }

    /// <summary>Returns the first page there is: of its rows there are copies, as far as anybody will read them.</summary>
    public void DeleteOldest()
    {
        Copies!.OnlyBefore = (VacantCount + 1) * PagePool.PageTokens;
        Vacate(VacantCount + 1);
    }

    /// <summary>Takes note of where pages lie that are pinned.</summary>
    public void Locate(int first, int count)
    {
        for (var i = first; i < first + count; i++)
            _addresses[i] = _pool.Address(_pages[i]);
    }

    public Span<byte> Bytes(int index) => _pool.Bytes(Pages[index], 0, _pool.PageBytes);

    /// <summary>Whether others read the page too; false where there is none.</summary>
    public bool IsShared(int index) => index < Count && index >= VacantCount && _pool.IsShared(_pages[index]);

    /// <summary>Takes pages until there are <paramref name="count"/>. False, with none taken, when the pool is short.</summary>
    public bool TryGrow(int count)
    {
        Reserve(count);
        Placement?.Expect(count);
        var before = Count;
        while (Count < count)
        {
            if (!_pool.TryTake(out var page))
            {
                Shrink(before);
                return false;
            }

            Placement?.Assign(page, _layer);
            Set(Count++, page);
        }

        return true;
    }

    /// <summary>Adds a page of others, or the place of one that nobody has any more, as if it and all before it had been given up.</summary>
    public void Adopt(int page)
    {
        Reserve(Count + 1);
        if (page == Vacant)
        {
            Vacate(Count);
            (_pages[Count], _addresses[Count]) = (Vacant, 0);
            VacantCount = ++Count;
            return;
        }

        Placement?.Expect(Count + 1);
        _pool.Share(page);
        Set(Count++, page);
    }

    /// <summary>Whether somebody else computes with the page too: <see cref="PagePool.HasOtherUsers"/>.</summary>
    public bool HasOtherUsers(int index) => index >= VacantCount && _pool.HasOtherUsers(_pages[index]);

    /// <summary>Pages of which that is so.</summary>
    public int CountUsedByOthers()
    {
        var count = 0;
        for (var page = 0; page < Count; page++)
            count += HasOtherUsers(page) ? 1 : 0;
        return count;
    }

    /// <summary>Gives a page up for one of others that has the same rows.</summary>
    public void Exchange(int index, int page)
    {
        _pool.Share(page);
        Return(index);
        Set(index, page);
    }

    /// <summary>Makes a page this table's alone: copies it if others have it too. False when the pool is short.</summary>
    public bool TryOwn(int index)
    {
        if (!IsShared(index))
            return true;
        if (!_pool.TryTake(out var copy))
            return false;
        Placement?.Assign(copy, _layer);
        Copy(_pages[index], copy);
        Return(index);
        Set(index, copy);
        return true;
    }

    /// <summary>Returns pages [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>); those behind them move up.</summary>
    public void Remove(int first, int count)
    {
        Invariant.Holds(_heldFrom == int.MaxValue);
        foreach (var page in _pages.AsSpan(first, count))
            _pool.Return(page);
        _pages.AsSpan(first + count, Count - first - count).CopyTo(_pages.AsSpan(first));
        _addresses.AsSpan(first + count, Count - first - count).CopyTo(_addresses.AsSpan(first));
        Count -= count;
    }

    /// <summary>Returns all but the first <paramref name="count"/> pages.</summary>
    public void Shrink(int count)
    {
        while (Count > Math.Max(count, VacantCount))
            Return(--Count);
        Count = Math.Min(Count, count);
        VacantCount = Math.Min(VacantCount, count);
    }

    /// <summary>Forgets rows from one on, and returns the pages that only they used.</summary>
    public void Truncate(int rows)
    {
        Copies?.Truncate(rows);
        Shrink(KvHead.PagesFor(rows));
    }

    /// <summary>Returns the first pages, as far as that was not done before: those behind keep their places, and nobody asks for these any more.</summary>
    public void Vacate(int count)
    {
        Invariant.Holds(count <= Count && VacantCount <= count);
        for (var i = VacantCount; i < count; i++)
        {
            Return(i);
            (_pages[i], _addresses[i]) = (Vacant, 0);
        }

        VacantCount = count;
    }

    /// <summary>Returns the pages that no query at a position, or behind it, sees.</summary>
    public void LeaveBehind(int position)
    {
        if (_window?.PagesBehind(position) is { } count && count > VacantCount)
            Vacate(count);
    }

    /// <summary>Whether there is all that a query at a position sees of rows before it.</summary>
    public bool Reaches(int position) => position == 0 || (position > 0 && (_window is null || _window.PagesBehind(position) >= VacantCount));

    /// <summary>Places that so many rows need; with a window no more than one step can, since before the next some are left behind.</summary>
    public int CountFor(int rows) => _window is null ? KvHead.PagesFor(rows) : Math.Min(KvHead.PagesFor(rows), VacantCount + _window.MostPages);

    /// <summary>Those of them that are not there.</summary>
    public int CountMissing(int rows) => Math.Max(0, CountFor(rows) - Count);

    /// <summary>Moves pages, as <see cref="PagePool.TryGather"/> says.</summary>
    public void Gather()
    {
        for (var i = VacantCount; i < Count; i++)
        {
            var page = _pages[i];
            if (_pool.TryGather(ref page))
                Set(i, page);
        }
    }

    /// <summary>Copies what one page holds to another.</summary>
    public void Copy(int page, int copy)
    {
        Placement?.Pin([page]);
        Placement?.Pin([copy], writtenFrom: 0);
        _pool.Bytes(page, 0, _pool.PageBytes).CopyTo(_pool.Bytes(copy, 0, _pool.PageBytes));
        Placement?.Unpin([page]);
        Placement?.Unpin([copy], sealedCount: 1);
    }

    private void Reserve(int count)
    {
        Invariant.Holds(count <= MaxCount);
        var copies = Copies?.Pages.Length ?? 0;
        if (count + copies <= _pages.Length)
            return;
        var room = copies + (int)Math.Min(MaxCount, Math.Max(LeastRoom, 2L * count));
        Array.Resize(ref _pages, room);
        Array.Resize(ref _addresses, room);
    }

    private void Set(int index, int page)
    {
        (_pages[index], _addresses[index]) = (page, Placement is null ? _pool.Address(page) : 0);
        if (index >= _heldFrom)
            Placement!.Holds.Hold(page);
    }

    private void Return(int index)
    {
        if (index >= _heldFrom)
            Placement!.Holds.Let(_pages[index]);
        _pool.Return(_pages[index]);
    }

    /// <summary>Rows of a head that stay in memory until this is disposed; nothing where all do.</summary>
    public readonly ref struct Pins
    {
        private const int PageRows = PagePool.PageTokens;
        private readonly PageTable? _table;
        private readonly KvHead _head;
        private readonly int _first;
        private readonly int _count;
        private readonly bool _writes;

        /// <param name="table">Of the head.</param>
        /// <param name="rows">The first, and one past the last.</param>
        /// <param name="writtenFrom">The first that is to be written.</param>
        /// <exception cref="KvasirException">They cannot be read from their file, or memory has no room for all of them.</exception>
        public Pins(KvHead head, PageTable table, (int First, int End) rows, int writtenFrom)
        {
            _head = head;
            if (table.Placement is not { } placement || Math.Max(rows.First, table.VacantCount * PageRows) >= rows.End)
                return;
            (_table, _first, _writes) = (table, Math.Max(table.VacantCount, rows.First / PageRows), writtenFrom < rows.End);
            _count = KvHead.PagesFor(rows.End) - _first;
            placement.Pin(table.Pages.Slice(_first, _count), Math.Max(0, (writtenFrom / PageRows) - _first));
            table.Locate(_first, _count);
        }

        // Pages that are full will not be written to again.
        public void Dispose() => _table?.Placement!.Unpin(
            _table.Pages.Slice(_first, _count), _writes ? Math.Clamp((_head.RowCount / PageRows) - _first, 0, _count) : 0);
    }
}
