using Kvasir.Cache.Slots;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Cache;

/// <summary>The cache entries of one sequence: a <see cref="KvHead"/> for every layer and KV head.</summary>
public sealed class SequenceCache
{
    private readonly PagePool _pool;
    private readonly AttentionShape _shape;
    private readonly KvHead[] _all;

    // Those that have pages: heads that lie beside others have theirs.
    private readonly KvHead[] _heads;
    private readonly List<NativeBuffer> _copies = [];
    private ResidencySchedule? _residency;
    private long _openPageBytes;

    /// <param name="openPageBytes">Taken from the pool's budget for the pages that will be written to.</param>
    /// <param name="windows">Of layers that keep only rows in sight; null where all layers keep all rows.</param>
    internal SequenceCache(PagePool pool, (AttentionShape Shape, KvPlaces Places) model, int maxRows, long openPageBytes = 0, KvWindows? windows = null)
    {
        _openPageBytes = openPageBytes;
        (_pool, _shape, MaxRows) = (pool, model.Shape, maxRows);
        (_all, _heads) = (new KvHead[_shape.TotalKvHeads], new KvHead[model.Places.ListCount]);
        for (int i = 0, list = 0; i < _all.Length; i++)
        {
            var (layer, kvHead) = _shape.PlaceOf(i);
            var layout = model.Places.LayoutOf(layer, kvHead);
            _all[i] = model.Places.IsBeside(layer, kvHead) ? _heads[list - 1].Beside(layout) : _heads[list++] = NewHead(layer, layout);
        }

        KvHead NewHead(int layer, PageLayout layout) =>
            new(pool, layout, new PageTable(pool, KvHead.PagesFor(maxRows), layer, windows?.Has(layer) == true ? windows : null));
    }

    /// <summary>Of so many layers with so many KV heads, all alike.</summary>
    internal SequenceCache(PagePool pool, int layerCount, int kvHeadCount, int maxRows)
        : this(pool, Alike(pool, layerCount, kvHeadCount), maxRows)
    {
    }

    /// <summary>Of a layer that sees all.</summary>
    public int KvHeadCount => _shape.KvHeadCount;

    /// <summary>The most rows that this sequence will ever hold.</summary>
    public int MaxRows { get; }

    /// <summary>Rows that pages have been reserved for.</summary>
    public int ReservedRows { get; private set; }

    /// <summary>Bytes of pages held, over all heads, those among them that others share too.</summary>
    public long Bytes
    {
        get
        {
            long bytes = 0;
            foreach (var head in _heads)
                bytes += head.Bytes;
            return bytes;
        }
    }

    /// <summary>The most rows that a head has when the next position is <paramref name="position"/>.</summary>
    public int MostRowsAt(int position)
    {
        var rows = 0;
        foreach (var head in _heads)
            rows = Math.Max(rows, head.RowAt(position));
        return rows;
    }

    /// <summary>Whether no head has dropped a row.</summary>
    public bool IsWhole => Array.TrueForAll(_heads, static head => head.IsWhole);

    /// <summary>Bytes that positions take beside the pages, of heads that dropped rows.</summary>
    public long PositionBytes
    {
        get
        {
            long bytes = 0;
            foreach (var head in _heads)
                bytes += head.PositionBytes;
            return bytes;
        }
    }

    internal PagePool Pool => _pool;

    /// <summary>Which rows stay in memory, where others may lie on file; null where that follows from their use alone.</summary>
    internal ResidencySchedule? Residency
    {
        get => _residency;
        init
        {
            _residency = value;
            if (value is not null && _pool.HoldsPages)
                Hold(0);
        }
    }

    /// <inheritdoc cref="KvHead.IsCoarse"/>
    internal bool IsCoarse
    {
        set
        {
            foreach (var head in _all)
                head.IsCoarse = value;
        }
    }

    /// <summary>By its place among the heads of all layers.</summary>
    internal KvHead HeadAt(int head) => _all[head];

    public KvHead Head(int layer, int kvHead) => _all[_shape.HeadsBefore(layer) + kvHead];

    /// <summary>Pages that growing to <paramref name="rows"/> rows would take from the pool.</summary>
    public int PagesMissing(int rows)
    {
        var pages = 0;
        foreach (var head in _heads)
            pages += head.PagesMissing(rows);
        return pages;
    }

    /// <summary>
    /// Takes pages in every head for rows up to <paramref name="rows"/>, and gives up those that no position to come sees. False, with nothing taken, when the
    /// pool is short.
    /// </summary>
    public bool TryReserve(int rows)
    {
        Invariant.Holds(rows <= MaxRows);
        foreach (var head in _heads)
            head.LeaveBehind();
        if (TryGrow(rows))
            return true;
        // Its share is a wish: before it or others give way it goes on with less.
        if (!_pool.HoldsPages || _residency?.Least is not { } least)
            return false;
        _residency = least;
        return TryGrow(rows);
    }

    /// <summary>Goes on with columns of the prefix cache, and leaves of them what it will not see; it has whole pages and no other.</summary>
    internal void Adopt(ReadOnlySpan<PrefixColumn> columns)
    {
        for (var i = 0; i < _heads.Length; i++)
        {
            foreach (var column in columns)
                _heads[i].Adopt(column.Pages[i]);
            _heads[i].LeaveBehind();
        }

        Follow();
        ReservedRows = _heads[0].RowCount;
    }

    /// <summary>Goes on with a column as another process had it; it has whole columns and no other, and has reserved one more.</summary>
    /// <param name="rows">[heads, bytes of a page]</param>
    internal void Restore(ReadOnlySpan<byte> rows)
    {
        for (var i = 0; i < _heads.Length; i++)
            _heads[i].Restore(rows.Slice(i * _pool.PageBytes, _pool.PageBytes));
        Follow();
    }

    /// <summary>Lists the pages of a full column, [heads], for the prefix cache, which is an owner from now on of those that were not left behind.</summary>
    internal void KeepColumn(int column, Span<int> pages)
    {
        for (var i = 0; i < _heads.Length; i++)
        {
            Invariant.Holds(_heads[i].IsWhole && (column + 1) * PagePool.PageTokens <= _heads[i].RowCount);
            pages[i] = _heads[i].Pages[column];
            if (pages[i] != PageTable.Vacant)
                _pool.Keep(pages[i]);
        }
    }

    /// <summary>Gives a full column up for the pages of one that has the same rows, and gives it those that it has no longer.</summary>
    internal void ExchangeColumn(int column, Span<int> pages)
    {
        for (var i = 0; i < _heads.Length; i++)
        {
            var own = _heads[i].Pages[column];
            if (own == PageTable.Vacant)
                continue;
            if (pages[i] != PageTable.Vacant)
            {
                _heads[i].Exchange(column, pages[i]);
                continue;
            }

            pages[i] = own;
            _pool.Keep(own);
        }
    }

    /// <summary>Forgets rows from <paramref name="rows"/> on in every head, and returns their pages.</summary>
    public void Truncate(int rows)
    {
        Shrink(rows);
        ReservedRows = Math.Min(ReservedRows, rows);
    }

    /// <summary>
    /// Moves pages into holes of slabs that others use too, after many of the sequence's were given back: what is left lies together, and whole slabs are free.
    /// </summary>
    internal void Gather()
    {
        _pool.BeginGather();
        foreach (var head in _heads)
            head.Gather();
        _pool.EndGather();
    }

    /// <summary>Pages that it will hold in memory at so many rows, and does not yet; 0 where that is nobody's right.</summary>
    internal long PagesToHold(int rows) =>
        _residency is null || !_pool.HoldsPages ? 0 : _heads.Length * (long)Math.Max(0, _residency.PagesIn(rows) - _residency.PagesIn(ReservedRows));

    /// <summary>Lets its pages go to their files: it waits, and others have its memory. Copies of rows are given back.</summary>
    internal void Let()
    {
        Hold(int.MaxValue);
        DropCopies();
    }

    /// <summary>Takes so many rows' pages back into memory, as they are wanted. False, with nothing taken, when it has no room for them.</summary>
    /// <param name="others">Pages that others are about to hold.</param>
    internal bool TryHold(int rows, long others)
    {
        var pages = (long)_heads.Length * _residency!.PagesIn(rows);
        if (!_pool.HasRoom(0, 0, pages + others))
            return false;
        Hold(_residency.ColdPages(rows));
        return true;
    }

    /// <summary>Whether pages of the first rows were given up, of which there are copies as far as anybody will read them.</summary>
    internal bool HasDeleted => _heads[0].Paged is { HasWindow: false, VacantCount: > 0 };

    /// <summary>Whether the first column there is may leave memory, and giving it up would make room on file: others have none of its pages.</summary>
    internal bool MayDeleteColumn =>
        _pool.Eviction == PageEviction.Alisa && IsWhole && Array.TrueForAll(_heads, static head => head is { SharesRanges: false, Paged: { } table }
            && table.VacantCount < table.ColdCount && !table.IsShared(table.VacantCount));

    /// <summary>Begins to read the first column there is.</summary>
    internal void AskColumn()
    {
        foreach (var head in _heads)
            head.Paged!.Placement!.Ask(head.Paged.Pages.Slice(head.Paged.VacantCount, 1));
    }

    /// <summary>Gives up the pages of the first column there is.</summary>
    internal void DeleteColumn()
    {
        foreach (var head in _heads)
            head.Paged!.DeleteOldest();
    }

    /// <summary>Makes room for copies of so many pages' worth of rows of every head. False when memory is short.</summary>
    internal bool TryMakeCopies(int count)
    {
        while (_copies.Count < count && !_heads[0].SharesRanges)
        {
            var bytes = (long)_heads.Length * _pool.PageBytes;
            if (!_pool.TryTakeBeside(MemoryUse.Pages, bytes))
                return false;
            _copies.Add(NativeBuffer.Uninitialized(bytes));
            for (var i = 0; i < _heads.Length; i++)
                _heads[i].Paged!.AddCopies(_copies[^1].View.Slice((long)i * _pool.PageBytes, _pool.PageBytes).Address);
        }

        return true;
    }

    /// <summary>Gives everything back for good.</summary>
    internal void Close()
    {
        Truncate(0);
        DropCopies();
        _pool.Memory.Give(MemoryUse.OpenPages, _openPageBytes);
        _openPageBytes = 0;
    }

    private bool TryGrow(int rows)
    {
        if (_residency is not null && !TryMoveOn(rows))
            return false;
        if (PagesMissing(rows) is var missing && missing > 0 && !_pool.HasRoom(missing, 0, _pool.HoldsPages ? CountToHold(rows) : 0))
            return false;
        foreach (var head in _heads)
        {
            // The system itself may refuse memory under the limit; then everything goes back.
            if (!head.TryReserve(rows))
            {
                Shrink(ReservedRows);
                return false;
            }
        }

        ReservedRows = Math.Max(rows, ReservedRows);
        return true;
    }

    private int CountToHold(int rows)
    {
        var pages = 0;
        foreach (var head in _heads)
            pages += head.Paged!.CountToHold(rows);
        return pages;
    }

    private void Hold(int from)
    {
        foreach (var head in _heads)
            head.Paged!.HoldFrom(head.Paged.HasWindow && from < int.MaxValue ? 0 : from);
    }

    // Lets go of pages that may leave memory at so many rows, and makes room for copies of what is read of them.
    private bool TryMoveOn(int rows)
    {
        var (cold, copies) = (_residency!.ColdPages(rows), _residency.CopyPages(rows));
        if (_pool.HoldsPages)
            Hold(cold);
        foreach (var head in _heads)
            head.Paged!.ColdCount = head.Paged.HasWindow ? 0 : cold;
        return TryMakeCopies(copies);
    }

    private void DropCopies()
    {
        foreach (var head in _copies.Count > 0 ? _heads : [])
            head.Paged!.DropCopies();
        foreach (var copies in _copies)
        {
            _pool.Memory.Give(MemoryUse.Pages, copies.Bytes);
            copies.Dispose();
        }

        _copies.Clear();
    }

    private void Shrink(int rows)
    {
        foreach (var head in _all)
            head.Truncate(rows);
    }

    // Heads beside others have got rows with these.
    private void Follow()
    {
        for (int i = 0, list = -1; i < _all.Length && _heads.Length < _all.Length; i++)
        {
            if (list + 1 < _heads.Length && _all[i] == _heads[list + 1])
                list++;
            else
                _all[i].Follow(_heads[list]);
        }
    }

    private static (AttentionShape Shape, KvPlaces Places) Alike(PagePool pool, int layerCount, int kvHeadCount)
    {
        var shape = new AttentionShape(layerCount, kvHeadCount, kvHeadCount, pool.Layout.KeyDim, null) { ValueDim = pool.Layout.ValueDim };
        return (shape, new KvPlaces(shape, pool.Layout.Format));
    }
}
