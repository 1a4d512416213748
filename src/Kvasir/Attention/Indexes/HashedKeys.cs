using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// Keys of one head, less a mean, in hash tables: consecutive rows, segment by segment, built slice by slice: all that wait are hashed, then their codes are
/// sorted into the tables. Neither the codes nor the mean depend on how they were sliced, or on which rows another has hashed before (<see cref="Write"/>,
/// <see cref="Read"/>).
/// Adding to them allocates nothing on the managed heap.
/// </summary>
internal sealed class HashedKeys : IDisposable
{
    // A key meets the same kernel at the same place whoever hashes it and from which row on: those of a whole group are multiplied together.
    private const int GroupRows = 32;
    private const int HashedAtOnce = 8 * GroupRows;
    private const int LineBytes = 64;

    // In what is done for a key: hashed; added to the mean; sorted into one of the tables. As times are, roughly.
    private const int HashWork = 512;
    private const int SumWork = 16;
    private const int SortWork = 1;
    private readonly SignPlanes _planes;
    private readonly HeadPlace _place;
    private readonly NativeBlocks _memory;
    private readonly HashedSegment[] _segments;
    private readonly double[] _sums;
    private int _count;

    // The first segments, which another has.
    private int _adopted;

    // Of rows that wait: those to be summed; segments that are begun, behind those that are done; the end of the rows that are hashed; then how many tables
    // of these segments are sorted, and the work that it was.
    private int _summed;
    private int _sumEnd;
    private int _openCount;
    private int _hashed;
    private int _sortedTables;
    private long _sorted;

    // Whether somebody is to be given time to take the codes before they are sorted.
    private bool _keepsCodes;
    private long _credit;

    /// <param name="planes">Of as many tables and bits as there are to be.</param>
    /// <param name="fewestRows">Rows of the smallest segments but one.</param>
    public HashedKeys(SignPlanes planes, HeadPlace place, int fewestRows)
    {
        (_planes, _place, Mean, _sums) = (planes, place, new float[place.Dim], new double[place.Dim]);
        _segments = new HashedSegment[3 + place.MaxRows / HashTables.MostRows + place.MaxRows / fewestRows];
        _memory = new NativeBlocks(_segments.Length);
    }

    /// <summary>What is taken off keys before they are hashed.</summary>
    public float[] Mean { get; }

    /// <summary>Hashed rows, consecutive ones.</summary>
    public ReadOnlySpan<HashedSegment> Segments => _segments.AsSpan(0, _count);

    /// <summary>One past the last row that is hashed.</summary>
    public int EndRow { get; private set; }

    /// <summary>One past the last row that is hashed or waits; where to go on.</summary>
    public int WantedEnd { get; private set; }

    /// <summary>Words of a bitmap of the rows that are hashed: whole ones for each segment.</summary>
    public int Words => _count == 0 ? 0 : _segments[_count - 1].FirstWord + (_segments[_count - 1].Tables.Rows + 63) / 64;

    /// <summary>The work that is left, in rows to hash.</summary>
    public int RowsWaiting => WorkLeft == 0 ? 0 : (int)Math.Max(1, (WorkLeft - _credit + HashWork - 1) / HashWork);

    /// <summary>The end of the first rows whose codes are there, to be written; 0 for none.</summary>
    public int CodesEnd => _count == 0 && _openCount > 0 && _sorted == 0 ? _hashed : 0;

    public long Bytes => _memory.Bytes;

    private ReadOnlySpan<HashedSegment> Begun => _segments.AsSpan(_count, _openCount);

    private ref readonly HashedSegment Sorting => ref _segments[_count + (_sortedTables / _planes.Tables)];

    private long WorkLeft =>
        ((long)(_sumEnd - _summed) * SumWork) + ((long)(WantedEnd - _hashed) * HashWork) + ((long)(WantedEnd - EndRow) * _planes.Tables * SortWork) - _sorted;

    /// <summary>Bytes of a token in a full segment.</summary>
    public static double BytesPerToken(int tables, int bits) => (double)SegmentBytes(tables, bits, HashTables.MostRows) / HashTables.MostRows;

    /// <summary>The most bytes of tables over so many rows, in at most so many segments.</summary>
    public static long BytesFor(int tables, int bits, int rows, int segments) =>
        (segments * SegmentBytes(tables, bits, 0)) + SegmentBytes(tables, bits, rows) - SegmentBytes(tables, bits, 0);

    /// <summary>Starts anew: rows [<paramref name="first"/>, <paramref name="end"/>) wait.</summary>
    /// <param name="meanEnd">Where those end whose mean is taken off all keys, later ones too; <paramref name="first"/> for none.</param>
    /// <param name="keepsCodes">Whether codes stay until <see cref="Build"/> is called after all are there, for <see cref="Write"/>.</param>
    public void Begin(int first, int end, int meanEnd, bool keepsCodes = false)
    {
        Truncate(0);
        (EndRow, WantedEnd, _hashed, _summed, _sumEnd, _keepsCodes) = (first, end, first, first, meanEnd, keepsCodes);
        Array.Clear(Mean);
        Array.Clear(_sums);
    }

    /// <summary>Copies codes of rows before <see cref="CodesEnd"/>; with the first ones the mean.</summary>
    public void Write(int firstRow, HashedPart part)
    {
        if (firstRow == 0)
            Mean.CopyTo(part.Mean);
        foreach (ref readonly var segment in Begun)
        {
            var (first, end) = (Math.Max(firstRow, segment.First), Math.Min(firstRow + part.Rows, segment.EndRow));
            for (var table = 0; table < _planes.Tables && first < end; table++)
                segment.Codes(table, first, end).CopyTo(part.Codes(table)[(first - firstRow)..]);
            if (first < end)
                segment.Lengths(first, end).CopyTo(part.InverseLengths[(first - firstRow)..]);
        }
    }

    /// <summary>
    /// Takes codes of rows that wait as another has written them, where they are the next, and the mean with the first. Those behind the last that wait are
    /// left out.
    /// </summary>
    public void Read(int firstRow, HashedPart part)
    {
        if (firstRow == 0)
        {
            part.Mean.CopyTo(Mean);
            _summed = _sumEnd;
        }

        var read = Math.Min(firstRow + part.Rows, WantedEnd);
        if (_summed < _sumEnd || _hashed < firstRow || read <= _hashed || _sorted > 0)
            return;
        if (_openCount == 0)
            OpenSegments();
        foreach (ref readonly var segment in Begun)
        {
            var (first, end) = (Math.Max(firstRow, segment.First), Math.Min(read, segment.EndRow));
            for (var table = 0; table < _planes.Tables && first < end; table++)
                part.Codes(table)[(first - firstRow)..(end - firstRow)].CopyTo(segment.Codes(table, first, end));
            if (first < end)
                part.InverseLengths[(first - firstRow)..(end - firstRow)].CopyTo(segment.Lengths(first, end));
        }

        _hashed = read;
    }

    /// <summary>Starts anew behind keys that are hashed to their end, with their mean: they are read where they are, and outlive this.</summary>
    public void Adopt(HashedKeys first)
    {
        Invariant.Holds(first.RowsWaiting == 0);
        Truncate(0);
        first.Segments.CopyTo(_segments);
        (_count, _adopted) = (first._count, first._count);
        (EndRow, WantedEnd, _hashed, _summed, _sumEnd) = (first.EndRow, first.EndRow, first.EndRow, 0, 0);
        first.Mean.CopyTo(Mean, 0);
    }

    /// <summary>Lets the next rows wait too, while no others do: a segment, if there are at most <see cref="HashTables.MostRows"/>.</summary>
    public void Add(int rows)
    {
        Invariant.Holds(RowsWaiting == 0);
        WantedEnd += rows;
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

        _credit = WorkLeft == 0 ? 0 : _credit;
    }

    /// <summary>
    /// Forgets segments with rows from <paramref name="rows"/> on, since tables have no row taken out; and all that wait, when some of them are such rows.
    /// </summary>
    public void Truncate(int rows)
    {
        if (rows < WantedEnd)
        {
            for (; _openCount > 0; _openCount--)
                _memory.Drop();
            (_sortedTables, _sorted, _credit, _keepsCodes) = (0, 0, 0, false);
        }

        for (; _count > 0 && EndRow > rows; _count--)
        {
            EndRow = _segments[_count - 1].First;
            if (_count > _adopted)
                _memory.Drop();
        }

        _adopted = Math.Min(_adopted, _count);
        if (rows < WantedEnd)
            (WantedEnd, _hashed, _summed) = (EndRow, EndRow, _sumEnd);
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

        (EndRow, WantedEnd, _hashed) = (end, end, end);
        return left;
    }

    public void Dispose() => _memory.Dispose();

    private static long SegmentBytes(int tables, int bits, int rows) => HashTables.BytesFor(tables, bits, rows) + (long)rows * sizeof(float);

    // The lengths move up behind the tables, and the block gives back what it does not need once that is half of it.
    private HashedSegment Keep(in HashedSegment segment, RowEdit edit, int kept, Span<int> numbers)
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
        if (_summed < _sumEnd)
            return TryPay(Math.Min(_sumEnd - _summed, (int)(_credit / SumWork)), SumWork) is var sums and > 0 && Sum(head, sums);
        if (_openCount == 0)
            OpenSegments();
        if (_hashed < WantedEnd)
            return TryHash(head, scratch);
        // Sorted with the next call: whoever wants the codes has them by then.
        if (_keepsCodes)
            return _keepsCodes = false;

        var rows = Sorting.Tables.Rows;
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

        for (var i = 0; i < _sums.Length && _summed == _sumEnd; i++)
            Mean[i] = (float)(_sums[i] / (_sumEnd - EndRow));
        return true;
    }

    // Of all rows that wait.
    private void OpenSegments()
    {
        var (tables, bits) = (_planes.Tables, _planes.Bits);
        for (var (first, word) = (EndRow, Words); first < WantedEnd; _openCount++)
        {
            var rows = Math.Min(WantedEnd - first, HashTables.MostRows);
            var tableBytes = HashTables.BytesFor(tables, bits, rows);
            var memory = _memory.Add(SegmentBytes(tables, bits, rows));
            var own = new HashTables(memory.Slice(0, tableBytes), tables, bits, rows);
            _segments[_count + _openCount] = new HashedSegment(first, word, own, memory.Slice(tableBytes, rows * sizeof(float)));
            (first, word) = (first + rows, word + ((rows + 63) / 64));
        }
    }

    // As many rows as there is credit for, up to the end of a batch, or all.
    private bool TryHash(KvHead head, IndexScratch scratch)
    {
        var end = (int)Math.Min(WantedEnd, _hashed + (_credit / HashWork));
        end = end < WantedEnd ? end / HashedAtOnce * HashedAtOnce : end;
        if (end <= _hashed)
            return false;
        TryPay(end - _hashed, HashWork);
        Hash(head, end, scratch);
        return true;
    }

    // Of the rows up to an end their codes in every table, and the lengths of their keys.
    private void Hash(KvHead head, int end, IndexScratch scratch)
    {
        var (tables, dim) = (_planes.Tables, _place.Dim);
        var free = scratch.Take(HashBytes);
        var keys = Take(ref free, HashedAtOnce * dim * sizeof(float)).Span<float>(0, HashedAtOnce * dim);
        var codes = Take(ref free, HashedAtOnce * tables * sizeof(ushort)).Span<ushort>(0, HashedAtOnce * tables);
        var wide = Take(ref free, _planes.WideBytes);
        _planes.Widen(wide);
        foreach (ref readonly var segment in Begun)
        {
            while (_hashed < end && _hashed < segment.EndRow)
            {
                // In whole groups, what is missing of them being nothing.
                var before = _hashed % GroupRows;
                var batchEnd = Math.Min(Math.Min(end, segment.EndRow), (_hashed / HashedAtOnce * HashedAtOnce) + HashedAtOnce);
                var grouped = keys[..((before + batchEnd - _hashed + GroupRows - 1) / GroupRows * GroupRows * dim)];
                grouped.Clear();
                var lengths = segment.Lengths(_hashed, batchEnd);
                for (var i = 0; i < lengths.Length; i++)
                    lengths[i] = Centre(head, _hashed + i, grouped.Slice((before + i) * dim, dim));
                _planes.Hash(grouped, wide, free, codes);
                for (var table = 0; table < tables; table++)
                {
                    var own = segment.Codes(table, _hashed, batchEnd);
                    for (var i = 0; i < own.Length; i++)
                        own[i] = codes[((before + i) * tables) + table];
                }

                _hashed = batchEnd;
            }
        }
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

    // One table of the first segment of which some are left.
    private bool Sort(IndexScratch scratch)
    {
        var rows = Sorting.Tables.Rows;
        Sorting.Tables.Sort(_sortedTables++ % _planes.Tables, scratch.Take(rows * sizeof(ushort)).Span<ushort>(0, rows));
        _sorted += rows * SortWork;
        if (_sortedTables == _openCount * _planes.Tables)
            (_count, _openCount, _sortedTables, _sorted, EndRow) = (_count + _openCount, 0, 0, 0, WantedEnd);
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
}
