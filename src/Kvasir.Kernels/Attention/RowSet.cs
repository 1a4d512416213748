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

    /// <summary>The row at <paramref name="index"/> in [0, <see cref="Count"/>).</summary>
    public int this[int index] => _isList ? _rows[index] : _firstRow + index;

    /// <summary>
    /// Addresses of the items [from, from + count) of the set. Past the end of the set the last item is repeated: kernels work on whole
    /// tiles, and looking ahead must find something that may be touched.
    /// </summary>
    internal void Locate(in PagedRows source, int from, int count, byte** addresses)
    {
        var existing = Math.Min(count, Count - from);
        for (var i = 0; i < existing; i++)
            addresses[i] = source.Row(_isList ? _rows[from + i] : _firstRow + from + i);
        for (var i = Math.Max(existing, 0); i < count; i++)
            addresses[i] = source.Row(_isList ? _rows[^1] : _firstRow + Count - 1);
    }
}
