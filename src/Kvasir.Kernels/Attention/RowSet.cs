using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Kernels.Attention;

/// <summary>Which rows a kernel visits: a range, or a list of ids in any order, repeats allowed.</summary>
public readonly unsafe ref struct RowSet
{
    private readonly ReadOnlySpan<int> _rows;
    private readonly int _firstRow;
    private readonly bool _isList;

    /// <param name="firstRow">The first of the range; need not begin a page.</param>
    /// <param name="rowCount">How many.</param>
    /// <param name="following">Rows behind the range that will be wanted next: memory may be asked for them, and they exist.</param>
    public RowSet(int firstRow, int rowCount, int following = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfNegative(rowCount);
        ArgumentOutOfRangeException.ThrowIfNegative(following);
        (_firstRow, Count, Following) = (firstRow, rowCount, following);
    }

    /// <param name="rows">The rows, and behind them those that will be wanted next.</param>
    /// <param name="rowCount">How many of them are in the set.</param>
    public RowSet(ReadOnlySpan<int> rows, int rowCount)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)rowCount, (uint)rows.Length, nameof(rowCount));
        _rows = rows;
        (_isList, Count, Following) = (true, rowCount, rows.Length - rowCount);
    }

    public RowSet(ReadOnlySpan<int> rows)
        : this(rows, rows.Length)
    {
    }

    public int Count { get; }

    /// <summary>Whether the rows follow each other.</summary>
    public bool IsRange => !_isList;

    internal int Following { get; }

    /// <summary>The row at <paramref name="index"/> in [0, <see cref="Count"/>).</summary>
    public int this[int index] => _isList ? _rows[index] : _firstRow + index;

    /// <summary>The items [first, first + count).</summary>
    public RowSet Part(int first, int count) => _isList ? new RowSet(_rows.Slice(first, count)) : new RowSet(_firstRow + first, count);

    /// <summary>
    /// Addresses of the items [from, from + count) of the set. Past the end of the set the last item is repeated: kernels work on whole
    /// tiles, and looking ahead must find something that may be touched.
    /// </summary>
    internal void Locate(in PagedRows source, int from, int count, StoredRows addresses) => Locate(source, from, (count, Count), addresses);

    /// <summary>The same for rows to ask for, the <see cref="Following"/> ones among them.</summary>
    internal void LocateAhead(in PagedRows source, int from, int count, StoredRows addresses) =>
        Locate(source, from, (count, Count + Following), addresses);

    private void Locate(in PagedRows source, int from, (int Addresses, int Rows) count, StoredRows addresses)
    {
        var layout = source.Layout;
        var existing = Math.Clamp(count.Rows - from, 0, count.Addresses);
        var i = 0;
        while (i < existing && !_isList)
        {
            // One of the newest rows is a run of its own.
            var row = source.Row(_firstRow + from + i, out var rowsLeft);
            var inPage = Math.Min(existing - i, Math.Min(rowsLeft, Math.Max(1, source.FirstNewest - (_firstRow + from + i))));
            Step(addresses.Codes + i, inPage, row.Codes, layout.Stride);
            if (layout.HasScales)
                Step(addresses.Scales + i, inPage, row.Scales, layout.ScaleStride);
            i += inPage;
        }

        for (; i < existing; i++)
        {
            var row = source.Row(_rows[from + i], out _);
            addresses.Codes[i] = row.Codes;
            if (layout.HasScales)
                addresses.Scales[i] = row.Scales;
        }

        if (i == count.Addresses)
            return;
        var last = source.Row(this[count.Rows - 1], out _);
        new Span<nint>(addresses.Codes + i, count.Addresses - i).Fill((nint)last.Codes);
        if (layout.HasScales)
            new Span<nint>(addresses.Scales + i, count.Addresses - i).Fill((nint)last.Scales);
    }

    private static void Step(byte** addresses, int count, byte* first, nint bytes)
    {
        var i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            var eight = Vector512.Create((long)first) + (Vector512.Create(0L, 1, 2, 3, 4, 5, 6, 7) * bytes);
            for (; i <= count - 8; i += 8, eight += Vector512.Create(8 * (long)bytes))
                eight.Store((long*)addresses + i);
        }

        var four = Vector256.Create((long)first + i * bytes) + (Vector256.Create(0L, 1, 2, 3) * bytes);
        for (; i <= count - 4; i += 4, four += Vector256.Create(4 * (long)bytes))
            four.Store((long*)addresses + i);
        for (; i < count; i++)
            addresses[i] = first + i * bytes;
    }
}
