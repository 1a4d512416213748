using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>The signs of keys, a bit for each element: a sixteenth of keys in bf16, by which all rows of a head are scored at once.</summary>
internal sealed class KeySigns : IDisposable
{
    private const int GroupRows = SignScan.GroupRows;
    private const int PageGroups = 16;
    private const int PageRows = PageGroups * GroupRows;
    private readonly NativePages _pages;
    private readonly int _rowBytes;
    private readonly int _groupBytes;
    private readonly int _dim;
    private readonly float[] _key;
    private readonly byte[] _signs;
    private readonly byte[] _querySigns;

    public KeySigns(HeadPlace place)
    {
        (_dim, _rowBytes) = (place.Dim, SignScan.RowBytes(place.Dim));
        _groupBytes = _rowBytes * GroupRows;
        _pages = new NativePages(PageGroups * _groupBytes, NativePages.PagesFor(place.MaxRows, PageRows));
        (_key, _signs, _querySigns) = (new float[_dim], new byte[_rowBytes], new byte[place.GroupHeads * _rowBytes]);
    }

    /// <summary>Rows whose signs are kept: the first ones.</summary>
    public int Count { get; private set; }

    public long Bytes => _pages.Bytes;

    /// <summary>Bytes of the signs of so many rows.</summary>
    public static long BytesFor(int dim, int rows) => (long)NativePages.PagesFor(rows, PageRows) * PageRows * SignScan.RowBytes(dim);

    /// <summary>Adds the rows up to <paramref name="end"/>.</summary>
    public void Append(KvHead head, int end)
    {
        _pages.Reserve(NativePages.PagesFor(end, PageRows));
        var keys = head.Keys;
        for (; Count < end; Count++)
        {
            keys.Decode(Count, _key);
            SignScan.Bytes(_key, _signs);
            SignScan.Store(Group(Count), Count % GroupRows, _signs);
        }
    }

    /// <summary>Copies the signs of rows that lie in one group.</summary>
    /// <param name="part">[bytes of a row, rowCount]</param>
    public void Write(int firstRow, int rowCount, NativeView part)
    {
        for (var i = 0; i < _rowBytes; i++)
            Signs(firstRow, i, rowCount).CopyTo(part.Span((long)i * rowCount, rowCount));
    }

    /// <summary>Adds the next rows, as another has written them.</summary>
    public void Read(int firstRow, int rowCount, NativeView part)
    {
        Invariant.Holds(firstRow == Count);
        _pages.Reserve(NativePages.PagesFor(firstRow + rowCount, PageRows));
        for (var i = 0; i < _rowBytes; i++)
            part.Span((long)i * rowCount, rowCount).CopyTo(Signs(firstRow, i, rowCount));
        Count += rowCount;
    }

    /// <summary>Forgets rows from <paramref name="rows"/> on.</summary>
    public void Truncate(int rows)
    {
        Count = Math.Min(Count, rows);
        _pages.Truncate(NativePages.PagesFor(Count, PageRows));
    }

    /// <summary>Follows rows that were numbered anew.</summary>
    public void Edited(RowEdit edit)
    {
        var to = edit.Kept(0).Count;
        for (var i = 1; i < edit.KeptRangeCount; i++)
        {
            // Towards the front, so that nothing is written over before it has moved.
            var (row, count) = edit.Kept(i);
            for (var end = row + count; row < end;)
            {
                var together = Math.Min(end - row, GroupRows - Math.Max(row % GroupRows, to % GroupRows));
                SignScan.Copy(Group(row), row % GroupRows, Group(to), to % GroupRows, together);
                (row, to) = (row + together, to + together);
            }
        }

        Truncate(to);
    }

    /// <summary>
    /// scores[g * stride + r] = 255 less the number of elements in which the signs of row 64 * firstGroup + r and of query head g differ.
    /// </summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="stride">At least the rows of the groups; those past <see cref="Count"/> get scores that mean nothing.</param>
    public void Score(ReadOnlySpan<float> queries, int firstGroup, int groups, Span<byte> scores, int stride)
    {
        for (var (query, heads) = (0, queries.Length / _dim); query < heads; query++)
            SignScan.Bytes(queries.Slice(query * _dim, _dim), _querySigns.AsSpan(query * _rowBytes, _rowBytes));
        for (var group = firstGroup; group < firstGroup + groups;)
        {
            var inPage = Math.Min(firstGroup + groups - group, PageGroups - group % PageGroups);
            var codes = _pages.Page<byte>(group / PageGroups).Slice(group % PageGroups * _groupBytes, inPage * _groupBytes);
            SignScan.Scan(codes, _querySigns, _rowBytes, scores[((group - firstGroup) * GroupRows)..], stride);
            group += inPage;
        }
    }

    public void Dispose() => _pages.Dispose();

    private Span<byte> Group(int row) => _pages.Page<byte>(row / PageRows).Slice(row % PageRows / GroupRows * _groupBytes, _groupBytes);

    private Span<byte> Signs(int firstRow, int index, int rowCount) => Group(firstRow).Slice(index * GroupRows + firstRow % GroupRows, rowCount);
}
