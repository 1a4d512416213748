using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// Keys of one head, less a mean, in hash tables: consecutive rows, segment by segment, built slice by slice. Neither the tables nor the mean depend on how
/// they were sliced.
/// Adding to them allocates nothing on the managed heap.
/// </summary>
internal sealed class HashedKeys : IDisposable
{
    // Products of more keys than from which tiles are used are the same however many follow.
    private const int HashedAtOnce = 256;
    private const int LineBytes = 64;

    // In what is done for a key: hashed; added to the mean; sorted into one of the tables. As times are, roughly.
    private const int HashWork = 512;
    private const int SumWork = 16;
    private const int SortWork = 1;
    private readonly SignPlanes _planes;
    private readonly HeadPlace _place;
    private readonly NativeBlocks _memory;
    private readonly Segment[] _segments;
    private readonly double[] _sums;
    private int _count;

    // The first segments, which another has.
    private int _adopted;

    // Of rows that wait: where the next to be summed is, up to the end of all; behind the segments that are done, one that is begun, the rows of it that
    // are hashed, and tables
    // that are sorted.
    private int _summed;
    private bool _isOpen;
    private int _hashedRows;
    private int _sortedTables;
    private long _credit;

    /// <param name="planes">Of as many tables and bits as there are to be.</param>
    /// <param name="fewestRows">Rows of the smallest segments but one.</param>
    public HashedKeys(SignPlanes planes, HeadPlace place, int fewestRows)
    {
        (_planes, _place, Mean, _sums) = (planes, place, new float[place.Dim], new double[place.Dim]);
        _segments = new Segment[3 + place.MaxRows / HashTables.MostRows + place.MaxRows / fewestRows];
        _memory = new NativeBlocks(_segments.Length);
    }

    /// <summary>What is taken off keys before they are hashed.</summary>
    public float[] Mean { get; }

    /// <summary>Hashed rows, consecutive ones.</summary>
    public ReadOnlySpan<Segment> Segments => _segments.AsSpan(0, _count);

    /// <summary>One past the last row that is hashed.</summary>
    public int EndRow { get; private set; }

    /// <summary>One past the last row that is hashed or waits; where to go on.</summary>
    public int WantedEnd { get; private set; }

    /// <summary>Words of a bitmap of the rows that are hashed: whole ones for each segment.</summary>
    public int Words => _count == 0 ? 0 : _segments[_count - 1].FirstWord + (_segments[_count - 1].Tables.Rows + 63) / 64;

    /// <summary>The work that is left, in rows to hash.</summary>
    public int RowsWaiting => (int)((WorkLeft - _credit + HashWork - 1) / HashWork);

    public long Bytes => _memory.Bytes;

    private long WorkLeft
    {
        get
        {
            var rows = (long)(WantedEnd - EndRow);
            var done = _isOpen ? ((long)_hashedRows * HashWork) + ((long)_sortedTables * Open.Tables.Rows * SortWork) : 0;
            return ((long)(WantedEnd - _summed) * SumWork) + (rows * (HashWork + (_planes.Tables * SortWork))) - done;
        }
    }

    private ref Segment Open => ref _segments[_count];

    /// <summary>Bytes of a token in a full segment.</summary>
    public static double BytesPerToken(int tables, int bits) => (double)SegmentBytes(tables, bits, HashTables.MostRows) / HashTables.MostRows;

    /// <summary>The most bytes of tables over so many rows, in at most so many segments.</summary>
    public static long BytesFor(int tables, int bits, int rows, int segments) =>
        (segments * SegmentBytes(tables, bits, 0)) + SegmentBytes(tables, bits, rows) - SegmentBytes(tables, bits, 0);

    /// <summary>Starts anew: rows [<paramref name="first"/>, <paramref name="end"/>) wait.</summary>
    /// <param name="centres">Whether their mean is taken off them, and off those that come later.</param>
    public void Begin(int first, int end, bool centres)
    {
        Truncate(0);
        (EndRow, WantedEnd, _summed) = (first, end, centres ? first : end);
        Array.Clear(Mean);
        Array.Clear(_sums);
    }

    /// <summary>Starts anew behind keys that are hashed to their end, with their mean: they are read where they are, and outlive this.</summary>
    public void Adopt(HashedKeys first)
    {
        Invariant.Holds(first.RowsWaiting == 0);
        Truncate(0);
        first.Segments.CopyTo(_segments);
        (_count, _adopted) = (first._count, first._count);
        (EndRow, WantedEnd, _summed) = (first.EndRow, first.EndRow, first.EndRow);
        first.Mean.CopyTo(Mean, 0);
    }

    /// <summary>Lets the next rows wait too, while no others do: a segment, if there are at most <see cref="HashTables.MostRows"/>.</summary>
    public void Add(int rows)
    {
        Invariant.Holds(RowsWaiting == 0);
        (WantedEnd, _summed) = (WantedEnd + rows, WantedEnd + rows);
    }

    /// <summary>
    /// Does the work of so many of the rows that wait, or a part of it and the rest with the next ones: what is summed, hashed or sorted at once is never
    /// divided.
    /// </summary>
    public void Build(KvHead head, int rows, IndexScratch scratch)
    {
        _credit += (long)rows * HashWork;
        while (WorkLeft > 0 && TryAdvance(head, scratch))
        {
        }

        if (WorkLeft == 0)
            _credit = 0;
    }

    /// <summary>
    /// Forgets segments with rows from <paramref name="rows"/> on, since tables have no row taken out; and all that wait, when some of them are such rows.
    /// </summary>
    public void Truncate(int rows)
    {
        if (rows < WantedEnd && _isOpen)
            _memory.Drop();
        if (rows < WantedEnd)
            (_isOpen, _credit) = (false, 0);
        for (; _count > 0 && EndRow > rows; _count--)
        {
            EndRow = _segments[_count - 1].First;
            if (_count > _adopted)
                _memory.Drop();
        }

        _adopted = Math.Min(_adopted, _count);

        if (rows < WantedEnd)
            (WantedEnd, _summed) = (EndRow, EndRow);
    }

    /// <summary>Follows rows that were numbered anew, while none wait; the mean stays. Memory goes back in halves.</summary>
    /// <param name="numbers">Room for a number for every row of a segment.</param>
    /// <returns>Of the first <paramref name="first"/> segments, how many have rows left.</returns>
    public int Edited(RowEdit edit, int first, Span<int> numbers)
    {
        Invariant.Holds(RowsWaiting == 0 && _adopted == 0);
        var (before, end, left) = (_count, edit.KeptBefore(EndRow), 0);
        _count = 0;
        for (var i = 0; i < before; i++)
        {
            var segment = _segments[i];
            var (firstRow, rows) = (edit.KeptBefore(segment.First), segment.Tables.Rows);
            var kept = edit.KeptBefore(segment.First + rows) - firstRow;
            if (kept == 0)
            {
                _memory.Remove(_count);
                continue;
            }

            if (kept < rows)
                segment = Keep(segment, edit, kept, numbers[..rows]);
            _segments[_count] = segment with { First = firstRow, FirstWord = Words };
            _count++;
            left += i < first ? 1 : 0;
        }

        (EndRow, WantedEnd, _summed) = (end, end, end);
        return left;
    }

    public void Dispose() => _memory.Dispose();

    private static long SegmentBytes(int tables, int bits, int rows) => HashTables.BytesFor(tables, bits, rows) + (long)rows * sizeof(float);

    // The lengths move up behind the tables, and the block gives back what it does not need once that is half of it.
    private Segment Keep(in Segment segment, RowEdit edit, int kept, Span<int> numbers)
    {
        var lengths = segment.InverseLengths.Span<float>(0, numbers.Length);
        var next = 0;
        for (var i = 0; i < numbers.Length; i++)
        {
            numbers[i] = edit.Keeps(segment.First + i) ? next : -1;
            lengths[next] = lengths[i];
            next += numbers[i] >= 0 ? 1 : 0;
        }

        var tables = segment.Tables.Keep(numbers, kept);
        var (tableBytes, bytes) = (HashTables.BytesFor(_planes.Tables, _planes.Bits, kept), SegmentBytes(_planes.Tables, _planes.Bits, kept));
        var block = _memory.Block(_count);
        lengths[..kept].CopyTo(block.Slice(tableBytes, kept * sizeof(float)).Span<float>(0, kept));
        if (2 * bytes <= block.Bytes)
            block = _memory.Shrink(_count, bytes);
        return segment with { Tables = tables.At(block), InverseLengths = block.Slice(tableBytes, kept * sizeof(float)) };
    }

    // False when there is not enough credit for what comes next.
    private bool TryAdvance(KvHead head, IndexScratch scratch)
    {
        if (_summed < WantedEnd)
            return TryPay(Math.Min(WantedEnd - _summed, (int)(_credit / SumWork)), SumWork) is var sums and > 0 && Sum(head, sums);
        if (!_isOpen)
            OpenSegment(Math.Min(WantedEnd - EndRow, HashTables.MostRows));
        var rows = Open.Tables.Rows;
        if (_hashedRows < rows)
        {
            var (left, affordable) = (rows - _hashedRows, (int)(_credit / HashWork));
            return TryPay(affordable >= left ? left : affordable / HashedAtOnce * HashedAtOnce, HashWork) is var hashed and > 0 && Hash(head, hashed, scratch);
        }

        return TryPay(_credit >= rows * SortWork ? rows : 0, SortWork) > 0 && Sort(scratch);
    }

    private int TryPay(int count, int work)
    {
        _credit -= (long)count * work;
        return count;
    }

    private bool Sum(KvHead head, int rows)
    {
        Span<float> key = stackalloc float[_place.Dim];
        for (var end = _summed + rows; _summed < end; _summed++)
        {
            head.Keys.Decode(_summed, key);
            for (var i = 0; i < key.Length; i++)
                _sums[i] += key[i];
        }

        for (var i = 0; i < _sums.Length && _summed == WantedEnd; i++)
            Mean[i] = (float)(_sums[i] / (WantedEnd - EndRow));
        return true;
    }

    private void OpenSegment(int rows)
    {
        var (tables, bits) = (_planes.Tables, _planes.Bits);
        var tableBytes = HashTables.BytesFor(tables, bits, rows);
        var memory = _memory.Add(SegmentBytes(tables, bits, rows));
        Open = new Segment(EndRow, Words, new HashTables(memory.Slice(0, tableBytes), tables, bits, rows), memory.Slice(tableBytes, rows * sizeof(float)));
        (_isOpen, _hashedRows, _sortedTables) = (true, 0, 0);
    }

    /// <summary>Of the next rows of the segment that is open: their codes in every table, and the lengths of their keys.</summary>
    private bool Hash(KvHead head, int rows, IndexScratch scratch)
    {
        var (tables, dim, segment) = (_planes.Tables, _place.Dim, Open);
        var free = scratch.Take(HashBytes);
        var keys = Take(ref free, HashedAtOnce * dim * sizeof(float)).Span<float>(0, HashedAtOnce * dim);
        var codes = Take(ref free, HashedAtOnce * tables * sizeof(ushort)).Span<ushort>(0, HashedAtOnce * tables);
        var wide = Take(ref free, _planes.WideBytes);
        _planes.Widen(wide);
        var inverseLengths = segment.InverseLengths.Span<float>(0, segment.Tables.Rows);
        for (var end = _hashedRows + rows; _hashedRows < end;)
        {
            var count = Math.Min(HashedAtOnce, end - _hashedRows);
            for (var i = 0; i < count; i++)
                inverseLengths[_hashedRows + i] = Centre(head, segment.First + _hashedRows + i, keys.Slice(i * dim, dim));
            _planes.Hash(keys[..(count * dim)], wide, free, codes);
            for (var table = 0; table < tables; table++)
            {
                var own = segment.Tables.Codes(table).Slice(_hashedRows, count);
                for (var i = 0; i < count; i++)
                    own[i] = codes[i * tables + table];
            }

            _hashedRows += count;
        }

        return true;
    }

    // A key less the mean, and one over its length.
    private float Centre(KvHead head, int row, Span<float> key)
    {
        head.Keys.Decode(row, key);
        var squares = 0f;
        for (var d = 0; d < key.Length; d++)
        {
            key[d] -= Mean[d];
            squares += key[d] * key[d];
        }

        return squares > 0 ? 1 / MathF.Sqrt(squares) : 0;
    }

    private bool Sort(IndexScratch scratch)
    {
        var rows = Open.Tables.Rows;
        Open.Tables.Sort(_sortedTables++, scratch.Take(rows * sizeof(ushort)).Span<ushort>(0, rows));
        if (_sortedTables < _planes.Tables)
            return true;
        EndRow += rows;
        _count++;
        _isOpen = false;
        return true;
    }

    // Keys, codes, wide planes and what hashing itself needs, each from a line of memory on.
    private long HashBytes =>
        Lines(HashedAtOnce * _place.Dim * sizeof(float)) + Lines(HashedAtOnce * _planes.Tables * sizeof(ushort)) + Lines(_planes.WideBytes)
        + _planes.ScratchBytes(HashedAtOnce);

    private static long Lines(long bytes) => (bytes + LineBytes - 1) & -LineBytes;

    private static NativeView Take(ref NativeView free, long bytes)
    {
        var taken = free.Slice(0, bytes);
        free = free.Slice(Lines(bytes), free.Bytes - Lines(bytes));
        return taken;
    }

    /// <param name="First">Row.</param>
    /// <param name="FirstWord">Of its rows in a bitmap.</param>
    /// <param name="InverseLengths">A float for each row: 1 / length of the key without the mean; 0 for one that is the mean.</param>
    public readonly record struct Segment(int First, int FirstWord, HashTables Tables, NativeView InverseLengths);
}
