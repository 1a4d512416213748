using Kvasir.Cache;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Attention.Indexes;

/// <summary>Keys in few bits each, by which all rows of a head can be scored roughly at a small part of the cost of reading them.</summary>
internal sealed class KeyCodes : IDisposable
{
    private const int PageGroups = 64;
    private const int PageRows = PageGroups * CodeScan.GroupRows;
    private readonly CodeBook _book;
    private readonly NativePages _pages;
    private readonly int _dim;
    private readonly int _tableCount;
    private readonly int _groupBytes;
    private readonly byte[] _tables;
    private readonly float[] _products;

    // Of the rows that are looked at to learn from, so many are left.
    private int _unseen;
    private int _end;

    /// <param name="bits">For each element of a key.</param>
    public KeyCodes(double bits, HeadPlace place)
    {
        (_dim, _tableCount) = (place.Dim, TableCount(place.Dim, bits));
        _groupBytes = CodeScan.GroupBytes(_tableCount);
        _book = new CodeBook(place.Dim, _tableCount);
        _pages = new NativePages(PageGroups * _groupBytes, (place.MaxRows + PageRows - 1) / PageRows);
        _tables = new byte[place.GroupHeads * _tableCount * CodeScan.TableEntries];
        _products = new float[_tables.Length];
    }

    /// <summary>The first rows, from which it was learnt how to code, or will be; 0 before that.</summary>
    public int LearntRows { get; private set; }

    /// <summary>Rows that are coded: the first ones.</summary>
    public int Count { get; private set; }

    /// <summary>Rows that wait to be looked at or to be coded, until all are that were named to <see cref="Learn"/>.</summary>
    public int RowsWaiting => _unseen + _end - Count;

    public long Bytes => _pages.Bytes;

    /// <summary>Bytes of one token.</summary>
    public static double BytesPerToken(int dim, double bits) => TableCount(dim, bits) / 2.0;

    /// <summary>Bytes of the codes of so many rows.</summary>
    public static long BytesFor(int dim, double bits, int rows) =>
        (long)NativePages.PagesFor(rows, PageRows) * PageGroups * CodeScan.GroupBytes(TableCount(dim, bits));

    /// <summary>
    /// Says that codes are to be learnt from the first rows of the head, at least one, and that all up to an end wait for <see cref="Build"/>.
    /// </summary>
    public void Learn(int rows, int endRow)
    {
        Truncate(0);
        _book.Begin();
        (LearntRows, _end, _unseen) = (rows, endRow, CodeBook.RowsSeen(rows));
    }

    /// <summary>Looks at, and then codes, so many of the rows that wait.</summary>
    public void Build(KvHead head, int rows)
    {
        var seen = Math.Min(rows, _unseen);
        if (seen > 0)
            _book.Learn(head.Keys, LearntRows, seen);
        _unseen -= seen;
        Code(head, Math.Min(_end, Count + rows - seen));
    }

    /// <summary>Codes the rows up to an end that are not yet; nothing while others wait, or before it is known how.</summary>
    public void Append(KvHead head, int endRow)
    {
        if (LearntRows == 0 || RowsWaiting > 0)
            return;
        _end = Math.Max(_end, endRow);
        Code(head, _end);
    }

    /// <summary>Bytes of a part: whole groups of rows, behind what was learnt from them when they are the first.</summary>
    public static long PartBytes(int dim, double bits, int rows, bool withBook) =>
        ((long)rows / CodeScan.GroupRows * CodeScan.GroupBytes(TableCount(dim, bits))) + (withBook ? CodeBook.BytesFor(dim) : 0);

    /// <summary>Copies the codes of rows; with the first ones what was learnt from them.</summary>
    public void Write(int firstRow, int rowCount, NativeView part)
    {
        if (firstRow == 0)
            _book.Write(part);
        for (var i = 0; i < rowCount / CodeScan.GroupRows; i++)
            Group(firstRow + (i * CodeScan.GroupRows)).CopyTo(Written(firstRow, i, part));
    }

    /// <summary>Adds the codes of the next rows as another has written them; nothing when they are not the next.</summary>
    /// <param name="wantedRows">All that will be coded soon: what is scanned together had better lie side by side.</param>
    public void Read(int wantedRows, int firstRow, int rowCount, NativeView part)
    {
        if (firstRow != Count || RowsWaiting > 0)
            return;
        if (firstRow == 0)
        {
            _book.Read(part);
            LearntRows = rowCount;
        }

        _pages.Reserve((wantedRows + PageRows - 1) / PageRows);
        for (var i = 0; i < rowCount / CodeScan.GroupRows; i++)
            Written(firstRow, i, part).CopyTo(Group(firstRow + (i * CodeScan.GroupRows)));
        (Count, _end) = (firstRow + rowCount, firstRow + rowCount);
    }

    /// <summary>Forgets rows from <paramref name="rows"/> on; and all, if some that were learnt from are among them.</summary>
    public void Truncate(int rows)
    {
        if (rows < LearntRows)
            (rows, LearntRows, _unseen) = (0, 0, 0);
        (Count, _end) = (Math.Min(Count, rows), Math.Min(_end, rows));
        _pages.Truncate((Count + PageRows - 1) / PageRows);
    }

    /// <summary>Follows rows that were numbered anew, while none wait. What was learnt from rows that are gone stays.</summary>
    public void Edited(RowEdit edit)
    {
        if (LearntRows == 0)
            return;
        var coded = edit.KeptBefore(Count);
        for (var (i, to) = (0, 0); to < coded; i++)
        {
            var (first, count) = edit.Kept(i);
            if (first != to)
                Move(first, to, Math.Min(count, coded - to));
            to += count;
        }

        (Count, _end, LearntRows) = (coded, coded, Math.Max(1, edit.KeptBefore(LearntRows)));
        _pages.Truncate((Count + PageRows - 1) / PageRows);
    }

    /// <summary>scores[g * stride + r] = the rough score of row 64 * firstGroup + r for query head g, up to a number of its own for each head.</summary>
    /// <param name="queries">[group, dim]</param>
    /// <param name="stride">At least the rows of the groups; those past <see cref="Count"/> get scores that mean nothing.</param>
    /// <returns>u, where the unit of the scores is 2^u / <see cref="CodeBook.UnitsPerOne"/>.</returns>
    public int Score(ReadOnlySpan<float> queries, int firstGroup, int groups, Span<ushort> scores, int stride)
    {
        var shift = _book.Tables(queries, _products, _tables);
        for (var group = firstGroup; group < firstGroup + groups;)
        {
            var inPage = Math.Min(firstGroup + groups - group, PageGroups - group % PageGroups);
            var codes = _pages.Page<byte>(group / PageGroups).Slice(group % PageGroups * _groupBytes, inPage * _groupBytes);
            CodeScan.Scan(codes, _tables, _tableCount, scores[((group - firstGroup) * CodeScan.GroupRows)..], stride);
            group += inPage;
        }

        return shift;
    }

    public void Dispose() => _pages.Dispose();

    private static int TableCount(int dim, double bits) =>
        Math.Max(1, (int)Math.Ceiling(dim * bits / (4 * CodeScan.TablesAtOnce))) * CodeScan.TablesAtOnce;

    private Span<byte> Group(int row) => _pages.Page<byte>(row / PageRows).Slice(row % PageRows / CodeScan.GroupRows * _groupBytes, _groupBytes);

    // Towards the front, so that nothing is written over before it has moved.
    private void Move(int first, int to, int count)
    {
        for (var done = 0; done < count;)
        {
            var (from, into) = (first + done, to + done);
            if (from % CodeScan.GroupRows == 0 && into % CodeScan.GroupRows == 0)
            {
                // What is behind the last row says nothing.
                Group(from).CopyTo(Group(into));
                done += CodeScan.GroupRows;
                continue;
            }

            CodeScan.Copy(Group(from), from % CodeScan.GroupRows, Group(into), into % CodeScan.GroupRows);
            done++;
        }
    }

    private Span<byte> Written(int firstRow, int group, NativeView part) =>
        part.Span((firstRow == 0 ? CodeBook.BytesFor(_dim) : 0) + ((long)group * _groupBytes), _groupBytes);

    private void Code(KvHead head, int end)
    {
        if (Count >= end)
            return;
        var keys = head.Keys;
        // All at once: rows that are scanned together had better lie side by side.
        _pages.Reserve((_end + PageRows - 1) / PageRows);
        for (; Count < end; Count++)
        {
            CodeScan.Store(Group(Count), Count % CodeScan.GroupRows, _book.Encode(keys, Count));
        }
    }
}
