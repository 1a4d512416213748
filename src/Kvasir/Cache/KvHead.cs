using Kvasir.Cache.Slots;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Cache;

/// <summary>
/// The rows of one (sequence, layer, KV head): keys and values in pages, in order of their positions. Heads are independent of each other, and have lengths
/// of their own: as long as nothing is dropped, a row's number is its position; an <see cref="RowEdit"/> closes the gaps, and from then on positions are kept
/// beside the rows.
/// </summary>
public sealed class KvHead
{
    private const int PageRows = PagePool.PageTokens;

    // Rows that are dropped and still lie about in two pages are not worth storing others anew.
    private const int LeastMoved = 2 * PageRows;
    private readonly PagePool _pool;
    private readonly PageLayout _layout;
    private readonly PageTable _table;
    private readonly OpenPage? _openKeys;
    private readonly OpenPage? _openValues;

    // Null while row numbers are positions.
    private RowPositions? _positions;
    private RowPositions? _unused;

    // Null while all keys have all elements.
    private NarrowRows? _narrow;

    /// <param name="layout">Where in a page its rows lie.</param>
    /// <param name="open">The pages that are being written, if another head has them.</param>
    internal KvHead(PagePool pool, PageLayout layout, PageTable table, (OpenPage? Keys, OpenPage? Values)? open = null)
    {
        (_pool, _layout, _table) = (pool, layout, table);
        (_openKeys, _openValues) = open ?? (layout.OpenKeys(), layout.OpenValues());
    }

    /// <summary>Rows that are there.</summary>
    public int RowCount { get; private set; }

    /// <summary>The position of the next row: rows written so far, those that were dropped among them.</summary>
    public int NextPosition { get; private set; }

    /// <summary>Whether every row's number is its position, and all are what they were: nothing was dropped, merged or made narrower.</summary>
    public bool IsWhole => _positions is null && _narrow is null;

    /// <summary>How its rows are stored.</summary>
    public KvFormat Format => _layout.Format;

    /// <summary>Elements of a key.</summary>
    public int Dim => _layout.KeyDim;

    /// <summary>Elements of a value.</summary>
    public int ValueDim => _layout.ValueDim;

    /// <summary>Bytes of pages that this head holds.</summary>
    public long Bytes => ((long)(_table.Count - _table.VacantCount) * _pool.PageBytes) + (_narrow?.Bytes ?? 0);

    /// <summary>Bytes that positions and log-weights take beside the pages; 0 for a whole head.</summary>
    public long PositionBytes => _positions?.Bytes ?? 0;

    /// <summary>The keys of rows [0, <see cref="RowCount"/>); not those that were made narrower (<see cref="RowEdit.NarrowKeys"/>).</summary>
    public PagedRows Keys => _layout.Keys(_table.Addresses, _openKeys, IsCoarse);

    /// <summary>The values of rows [0, <see cref="RowCount"/>).</summary>
    public PagedRows Values => _layout.Values(_table.Addresses, _openValues, IsCoarse);

    /// <summary>Whether of rows in two planes the upper alone is read: as a draft does. Rows are written whole.</summary>
    internal bool IsCoarse { get; set; }

    /// <summary>Whether a page's rows share ranges, so that a row is stored anew when it moves, and rounded anew.</summary>
    internal bool SharesRanges => _openKeys is not null || _openValues is not null;

    /// <summary>The table of its pages where these may lie on file; null where all lie in memory.</summary>
    internal PageTable? Paged => _table.Placement is null ? null : _table;

    /// <summary>The pages of rows [0, <see cref="RowCount"/>), and those that are reserved behind them.</summary>
    internal ReadOnlySpan<int> Pages => _table.Pages;

    // A page that others read too is copied before it is written to.
    private bool CopiesOnWrite => _table.IsShared(RowCount / PageRows);

    /// <summary>The position of a row: what its key was rotated by.</summary>
    public int Position(int row) => _positions is null ? row : _positions[row];

    /// <summary>What is added to a row's scores; 0 but for rows that others were merged into.</summary>
    public float LogWeight(int row) => _positions?.LogWeight(row) ?? 0;

    /// <summary>The first row that is not before a position: those in sight are found by the positions in sight. Rows to come are counted on.</summary>
    public int RowAt(int position)
    {
        if (_positions is null)
            return position;
        return position >= NextPosition ? RowCount + (position - NextPosition) : _positions.FirstFrom(position, RowCount);
    }

    /// <summary>What scores come near and do not pass: see <see cref="Models.Configs.AttentionShape.ScoreCap"/>.</summary>
    public float ScoreCap => _pool.ScoreCap;

    /// <summary>Scores of rows: products of queries and keys, capped where they are to be, and the log-weights of rows that others were merged into.</summary>
    /// <param name="queries">[count, dim], scaled.</param>
    /// <param name="scores">[count, <paramref name="stride"/>]</param>
    public void Score(ReadOnlySpan<float> queries, in RowSet rows, Span<float> scores, int stride)
    {
        if (_narrow is null)
            AttentionScores.Rows(queries, Keys, rows, 1, scores, stride);
        else
            _narrow.Score(queries, Keys, rows, scores, stride);
        for (var at = 0; ScoreCap > 0 && at < queries.Length / Dim * stride; at += stride)
            SoftCap.Apply(scores.Slice(at, rows.Count), ScoreCap);
        if (_positions is { HasLogWeights: true } positions)
            positions.AddLogWeights(rows, scores[..(queries.Length / Dim * stride)], stride);
    }

    /// <summary>Adds the weighted values of rows.</summary>
    /// <param name="weights">[count, <paramref name="stride"/>]</param>
    /// <param name="outputs">[count, <see cref="ValueDim"/>]</param>
    public void AddValues(ReadOnlySpan<float> weights, int stride, in RowSet rows, Span<float> outputs)
    {
        if (_narrow is null)
            AttentionValues.Rows(weights, stride, Values, rows, outputs);
        else
            _narrow.AddValues(weights, stride, Values, rows, outputs);
    }

    /// <summary>Keeps rows in memory, those that may be on file, until what is returned is disposed.</summary>
    /// <inheritdoc cref="PageTable.Pins"/>
    internal PageTable.Pins Pin((int First, int End) rows, int writtenFrom = int.MaxValue) => new(this, _table, rows, writtenFrom);

    internal static int PagesFor(int rows) => (rows + PageRows - 1) / PageRows;

    /// <summary>Pages that growing until the next position is <paramref name="position"/> would take from the pool.</summary>
    internal int PagesMissing(int position) => _table.CountMissing(RowAt(position)) + (position > NextPosition && CopiesOnWrite ? 1 : 0);

    /// <summary>Gives up the pages that no position to come sees, where the layer has a window.</summary>
    internal void LeaveBehind() => _table.LeaveBehind(NextPosition);

    /// <summary>
    /// Takes the pages that rows before <paramref name="position"/> need, one of them for a copy if the next row's is shared. False when the pool is short:
    /// then the head has no more pages than before.
    /// </summary>
    internal bool TryReserve(int position)
    {
        var rows = RowAt(position);
        if ((rows > RowCount && !_table.TryOwn(RowCount / PageRows)) || !_table.TryGrow(_table.CountFor(rows)))
            return false;
        _positions?.Reserve(rows);
        return true;
    }

    /// <summary>Writes the next row, [<see cref="Dim"/>] and [<see cref="ValueDim"/>]; its page must have been reserved.</summary>
    internal void Append(ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        _positions?.Set(RowCount, NextPosition);
        Write(key, value);
        NextPosition++;
    }

    /// <summary>The first rows as a head of their own, over the same pages: to be read only, and while this one keeps them.</summary>
    internal KvHead First(int rowCount)
    {
        Invariant.Holds(IsWhole && rowCount <= RowCount);
        return new KvHead(_pool, _layout, _table.First(PagesFor(rowCount)), (_openKeys, _openValues)) { RowCount = rowCount, NextPosition = rowCount };
    }

    /// <summary>A head whose rows lie in the same pages, as long as this one has them; rows that come with pages it has by <see cref="Follow"/>.</summary>
    internal KvHead Beside(PageLayout layout) => new(_pool, layout, _table);

    internal void Follow(KvHead other) => (RowCount, NextPosition) = (other.RowCount, other.NextPosition);

    /// <summary>Goes on with a page of rows that others have, or nobody has any more; it has whole pages and no other.</summary>
    internal void Adopt(int page)
    {
        Invariant.Holds(RowCount == _table.Count * PageRows && IsWhole);
        _table.Adopt(page);
        (RowCount, NextPosition) = (RowCount + PageRows, NextPosition + PageRows);
    }

    /// <summary>Goes on with a page of rows as another process had them; it has whole pages and no other, and has reserved one more.</summary>
    internal void Restore(ReadOnlySpan<byte> page)
    {
        Invariant.Holds(RowCount % PageRows == 0 && IsWhole && RowCount / PageRows < _table.Count && !CopiesOnWrite);
        using var pins = Pin((RowCount, RowCount + PageRows), writtenFrom: RowCount);
        page.CopyTo(_table.Bytes(RowCount / PageRows));
        (RowCount, NextPosition) = (RowCount + PageRows, NextPosition + PageRows);
    }

    /// <summary>Gives a full page up for one of others that has the same rows.</summary>
    internal void Exchange(int index, int page)
    {
        Invariant.Holds((index + 1) * PageRows <= RowCount && IsWhole);
        _table.Exchange(index, page);
    }

    /// <summary>Takes over the rows of another head of the same shape; this one is empty and has reserved as many.</summary>
    internal void CopyRows(KvHead source)
    {
        Invariant.Holds(RowCount == 0 && source.IsWhole && PagesFor(source.RowCount) <= _table.Count);
        for (var page = 0; page < PagesFor(source.RowCount); page++)
            _table.Copy(source.Pages[page], Pages[page]);
        (RowCount, NextPosition) = (source.RowCount, source.RowCount);
    }

    /// <summary>Copies rows within the head, as <see cref="PagedRows.Copy"/> does.</summary>
    internal void CopyRows(int from, int to, int count)
    {
        Keys.Copy(from, to, count);
        Values.Copy(from, to, count);
    }

    /// <summary>Forgets the rows from a position on, and returns the pages that only they used or had reserved. What was dropped before stays so.</summary>
    internal void Truncate(int position)
    {
        Invariant.Holds(_table.Reaches(position));
        var rows = RowAt(position);
        NextPosition = Math.Min(NextPosition, position);
        SetRowCount(Math.Min(rows, RowCount));
        _table.Truncate(rows);
        if (position > 0)
            return;
        _positions?.Dispose();
        _narrow?.Dispose();
        (_positions, _narrow) = (null, null);
    }

    /// <summary>Makes what a first edit needs, so that it allocates nothing.</summary>
    internal void PrepareToDrop() => _unused ??= new RowPositions(_table.MaxCount * PageRows);

    /// <summary>
    /// Does what an edit says, as far as it can, and leaves in it what was done. Formats whose pages share ranges drop whole pages and nothing else, unless
    /// that leaves more than two pages' worth, and half of all rows are to go, or rows are merged: the others are stored anew then, and rounded anew. False,
    /// with all rows as they were, when nothing was done: pages are shared, and copies would take more than goes, or more than there is.
    /// </summary>
    internal bool TryEdit(RowEdit edit)
    {
        Invariant.Holds(edit.RowCount == RowCount);
        if (edit.NarrowedCount > 0)
            return TryNarrow(edit);
        if (edit.DroppedCount == 0)
            return false;
        if (!Frees(edit) || !TryPack(edit))
        {
            edit.Refuse();
            return false;
        }

        Renumber(edit);
        RowCount -= edit.DroppedCount;
        _table.Shrink(PagesFor(RowCount));
        return true;
    }

    // Rows in pages that others compute with are copied when they move, which may take more than it frees.
    private bool Frees(RowEdit edit) =>
        _table.CountUsedByOthers() is var shared && (shared == 0 || PagesFor(RowCount - edit.DroppedCount) < _table.Count - shared);

    // Page by page, as far as there is memory: what was copied is given back when all is done, since others may have it too.
    private bool TryNarrow(RowEdit edit)
    {
        Invariant.Holds(IsWhole && edit.KeyElements.Length < Dim);
        var narrow = new NarrowRows(_pool.Narrow(edit.KeyElements.Length), edit);
        if (!narrow.TryFill(Keys, Values, edit))
            return false;
        _table.Vacate(narrow.PageCount);
        _narrow = narrow;
        return true;
    }

    private bool TryPack(RowEdit edit)
    {
        if (!SharesRanges)
        {
            if (!MergedRows.TryOwn(_table, edit) || !RowPacking.TryOwn(_table, edit))
                return false;
            if (edit.Merges.Length > 0)
            {
                using var merged = new MergedRows(Keys, Values, edit);
                merged.Store(Keys, Values);
                Weigh(edit);
            }

            RowPacking.Run(this, _table, edit);
            return true;
        }

        var left = edit.DroppedCount - edit.DroppedInPages(PageRows);
        if (edit.Merges.Length > 0 || (left > LeastMoved && edit.DroppedCount * 2 >= RowCount))
            return TryStoreAnew(edit);
        edit.NarrowToPages(PageRows);
        RowPacking.Run(this, _table, edit);
        RowPacking.MoveOpenRows((_openKeys, _openValues), edit);
        return edit.DroppedCount > 0;
    }

    // Row by row through the open page. A page is decoded before any of its rows is written over: rows only move towards the front.
    private bool TryStoreAnew(RowEdit edit)
    {
        using var merged = edit.Merges.Length > 0 ? new MergedRows(Keys, Values, edit) : null;
        var (first, count, left) = (Math.Min(edit.Drops[0].First, merged?.First ?? RowCount) / PageRows * PageRows, RowCount, RowCount - edit.DroppedCount);
        for (var page = first / PageRows; page < PagesFor(left); page++)
        {
            if (!_table.TryOwn(page))
                return false;
        }

        if (merged is not null)
            Weigh(edit);
        // Those that are kept as they came are read before their place is written over.
        var newest = Math.Clamp(Math.Min(_openKeys?.FirstNewest ?? count, _openValues?.FirstNewest ?? count), first, count);
        var width = Dim + ValueDim;
        var floats = edit.Floats((PageRows + count - newest) * width);
        for (var row = newest; row < count; row++)
            ReadRow(Keys, Values, row, floats[((PageRows + row - newest) * width)..]);
        SetRowCount(first);
        for (var page = first; page < count; page += PageRows)
        {
            for (var row = page; row < Math.Min(newest, page + PageRows); row++)
                ReadRow(_pool.Layout.Keys(_table.Addresses), _pool.Layout.Values(_table.Addresses), row, floats[((row - page) * width)..]);
            for (var row = page; row < Math.Min(count, page + PageRows); row++)
            {
                if (!edit.Keeps(row))
                    continue;
                if (merged is null || !merged.TryFind(row, out var elements))
                    elements = floats.Slice((row < newest ? row - page : PageRows + row - newest) * width, width);
                Write(elements[..Dim], elements[Dim..]);
            }
        }

        RowCount = count;
        return true;
    }

    private void ReadRow(PagedRows keys, PagedRows values, int row, Span<float> floats)
    {
        keys.Decode(row, floats[..Dim]);
        values.Decode(row, floats.Slice(Dim, ValueDim));
    }

    private void Weigh(RowEdit edit) => MergedRows.Weigh(_positions ??= NewPositions(RowCount).Fill(RowCount), edit);

    // In memory for the rows that stay: those of a prompt may be few of many.
    private void Renumber(RowEdit edit)
    {
        var (kept, to, before) = (RowCount - edit.DroppedCount, 0, _positions);
        var after = before is null || before.IsWideFor(kept) ? NewPositions(kept) : before;
        for (var i = 0; i < edit.KeptRangeCount; i++)
        {
            var (first, count) = edit.Kept(i);
            for (var row = first; row < first + count; row++)
                after.Set(to++, Position(row), LogWeight(row));
        }

        _positions = after;
        if (before == after)
            after.Truncate(kept);
        else
            before?.Dispose();
    }

    private RowPositions NewPositions(int rowCount)
    {
        PrepareToDrop();
        var positions = _unused!;
        _unused = null;
        positions.Reserve(rowCount);
        return positions;
    }

    private void Write(ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        Invariant.Holds(RowCount / PageRows < _table.Count && !CopiesOnWrite);
        Store(_openKeys, key, Keys);
        Store(_openValues, value, Values);
        RowCount++;
    }

    private void Store(OpenPage? open, ReadOnlySpan<float> row, PagedRows rows)
    {
        if (open is null)
            rows.Encode(RowCount, row);
        else
            open.Append(row, RowCount, _table.Bytes(RowCount / PageRows));
    }

    /// <summary>Moves pages to where they leave slabs empty.</summary>
    internal void Gather() => _table.Gather();

    private void SetRowCount(int rowCount)
    {
        if (rowCount == RowCount)
            return;
        RowCount = rowCount;
        _openKeys?.Truncate(rowCount);
        _openValues?.Truncate(rowCount);
    }
}
