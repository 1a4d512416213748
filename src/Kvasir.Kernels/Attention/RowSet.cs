namespace Kvasir.Kernels.Attention;

/// <summary>Which rows a kernel visits: a range, or a list of ids in any order, repeats allowed.</summary>
public readonly unsafe ref struct RowSet
{
    private readonly ReadOnlySpan<int> _rows;
    private readonly int _firstRow;
    private readonly bool _isList;

    /// <param name="firstRow">The first of the range; need not begin a page.</param>
    /// <param name="rowCount">How many.</param>
    public RowSet(int firstRow, int rowCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(rowCount);
        (_firstRow, Count) = (firstRow, rowCount);
    }

    public RowSet(ReadOnlySpan<int> rows)
    {
        _rows = rows;
        (_isList, Count) = (true, rows.Length);
    }

    public int Count { get; }

    internal bool IsRange => !_isList;

    /// <summary>The row at <paramref name="index"/> in [0, <see cref="Count"/>).</summary>
    public int this[int index] => _isList ? _rows[index] : _firstRow + index;

    /// <summary>
    /// Addresses of the items [from, from + count) of the set. Past the end of the set the last item is repeated: kernels work on whole
    /// tiles, and looking ahead must find something that may be touched.
    /// </summary>
    internal void Locate(in PagedRows source, int from, int count, byte** addresses)
    {
        var existing = Math.Clamp(Count - from, 0, count);
        var i = 0;
        while (i < existing && !_isList)
        {
            var row = source.Row(_firstRow + from + i, out var rowsLeft);
            for (var end = Math.Min(existing, i + rowsLeft); i < end; i++, row += source.RowBytes)
                addresses[i] = row;
        }

        for (; i < existing; i++)
            addresses[i] = source.Row(_rows[from + i], out _);
        if (i == count)
            return;
        var last = source.Row(this[Count - 1], out _);
        for (; i < count; i++)
            addresses[i] = last;
    }
}
