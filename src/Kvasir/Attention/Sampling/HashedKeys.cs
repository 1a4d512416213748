using Kvasir.Cache;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Sampling;

/// <summary>Keys of one head, less a mean, in hash tables: consecutive rows, segment by segment. Adding one allocates nothing on the managed heap.</summary>
internal sealed class HashedKeys : IDisposable
{
    private const int HashedAtOnce = 256;

    // What hashing needs while it is done.
    private const int WorkBlocks = 5;
    private readonly SignPlanes _planes;
    private readonly HeadPlace _place;
    private readonly NativeBlocks _memory;
    private readonly Segment[] _segments;
    private readonly double[] _sums;
    private int _count;

    /// <param name="planes">Of as many tables and bits as there are to be.</param>
    /// <param name="fewestRows">Rows of the smallest segments but one.</param>
    public HashedKeys(SignPlanes planes, HeadPlace place, int fewestRows)
    {
        (_planes, _place, Mean, _sums) = (planes, place, new float[place.Dim], new double[place.Dim]);
        _segments = new Segment[2 + place.MaxRows / HashTables.MostRows + place.MaxRows / fewestRows];
        _memory = new NativeBlocks(_segments.Length + WorkBlocks);
    }

    /// <summary>What is taken off keys before they are hashed.</summary>
    public float[] Mean { get; }

    /// <summary>Hashed rows, consecutive ones.</summary>
    public ReadOnlySpan<Segment> Segments => _segments.AsSpan(0, _count);

    /// <summary>One past the last row that is hashed; where to go on.</summary>
    public int EndRow { get; private set; }

    /// <summary>Words of a bitmap of the rows that are hashed: whole ones for each segment.</summary>
    public int Words => _count == 0 ? 0 : _segments[_count - 1].FirstWord + (_segments[_count - 1].Tables.Rows + 63) / 64;

    public long Bytes => _memory.Bytes;

    /// <summary>Bytes of a token in a full segment.</summary>
    public static double BytesPerToken(int tables, int bits) => (double)SegmentBytes(tables, bits, HashTables.MostRows) / HashTables.MostRows;

    /// <summary>The most bytes of tables over so many rows, in at most so many segments.</summary>
    public static long BytesFor(int tables, int bits, int rows, int segments) => (segments * SegmentBytes(tables, bits, 0)) + SegmentBytes(tables, bits, rows) - SegmentBytes(tables, bits, 0);

    /// <summary>Starts anew at a row, with keys as they are.</summary>
    public void Begin(int first)
    {
        Truncate(0);
        EndRow = first;
        Array.Clear(Mean);
    }

    /// <summary>Starts anew at a row, with the mean of the keys in [<paramref name="first"/>, <paramref name="end"/>).</summary>
    public void Begin(KvHead head, int first, int end)
    {
        Begin(first);
        Array.Clear(_sums);
        var key = _memory.Add(_place.Dim * sizeof(float)).Span<float>(0, _place.Dim);
        for (var row = first; row < end; row++)
        {
            head.Keys.Decode(row, key);
            for (var i = 0; i < key.Length; i++)
                _sums[i] += key[i];
        }

        for (var i = 0; i < _sums.Length; i++)
            Mean[i] = (float)(_sums[i] / (end - first));
        _memory.Drop();
    }

    /// <summary>Hashes the next rows: at most <see cref="HashTables.MostRows"/>.</summary>
    public void Add(KvHead head, int rows)
    {
        var (tables, bits) = (_planes.Tables, _planes.Bits);
        var tableBytes = HashTables.BytesFor(tables, bits, rows);
        var memory = _memory.Add(SegmentBytes(tables, bits, rows));
        var segment = new Segment(EndRow, Words, new HashTables(memory.Slice(0, tableBytes), tables, bits, rows), memory.Slice(tableBytes, rows * sizeof(float)));
        var codes = _memory.Add((long)tables * rows * sizeof(ushort));
        Hash(head, segment, codes.Span<ushort>(0, tables * rows));
        segment.Tables.Build(codes.Span<ushort>(0, tables * rows));
        _memory.Drop();
        _segments[_count++] = segment;
        EndRow += rows;
    }

    /// <summary>Forgets segments with rows from <paramref name="rows"/> on: tables have no row taken out.</summary>
    public void Truncate(int rows)
    {
        for (; _count > 0 && EndRow > rows; _count--)
        {
            EndRow = _segments[_count - 1].First;
            _memory.Drop();
        }
    }

    public void Dispose() => _memory.Dispose();

    private static long SegmentBytes(int tables, int bits, int rows) => HashTables.BytesFor(tables, bits, rows) + (long)rows * sizeof(float);

    /// <summary>The codes of the rows of a segment, [tables, rows], and the lengths of their keys.</summary>
    private void Hash(KvHead head, in Segment segment, Span<ushort> byTable)
    {
        var (tables, rows, dim) = (_planes.Tables, segment.Tables.Rows, _place.Dim);
        var scratch = _memory.Add(_planes.ScratchBytes(HashedAtOnce));
        var keys = _memory.Add(HashedAtOnce * dim * sizeof(float)).Span<float>(0, HashedAtOnce * dim);
        var codes = _memory.Add(HashedAtOnce * tables * sizeof(ushort)).Span<ushort>(0, HashedAtOnce * tables);
        var wide = _memory.Add(_planes.WideBytes);
        _planes.Widen(wide);
        var inverseLengths = segment.InverseLengths.Span<float>(0, rows);
        var source = head.Keys;
        for (var at = 0; at < rows; at += HashedAtOnce)
        {
            var count = Math.Min(HashedAtOnce, rows - at);
            for (var i = 0; i < count; i++)
            {
                var key = keys.Slice(i * dim, dim);
                source.Decode(segment.First + at + i, key);
                var squares = 0f;
                for (var d = 0; d < key.Length; d++)
                {
                    key[d] -= Mean[d];
                    squares += key[d] * key[d];
                }

                inverseLengths[at + i] = squares > 0 ? 1 / MathF.Sqrt(squares) : 0;
            }

            _planes.Hash(keys[..(count * dim)], wide, scratch, codes);
            for (var table = 0; table < tables; table++)
            {
                var own = byTable.Slice(table * rows + at, count);
                for (var i = 0; i < count; i++)
                    own[i] = codes[i * tables + table];
            }
        }

        for (var i = 0; i < WorkBlocks - 1; i++)
            _memory.Drop();
    }

    /// <param name="First">Row.</param>
    /// <param name="FirstWord">Of its rows in a bitmap.</param>
    /// <param name="InverseLengths">A float for each row: 1 / length of the key without the mean; 0 for one that is the mean.</param>
    public readonly record struct Segment(int First, int FirstWord, HashTables Tables, NativeView InverseLengths);
}
