using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Hashing;

/// <summary>
/// The buckets of up to 65,536 rows in every table: 16-bit numbers of rows, ascending within a bucket, and where each bucket begins. Built once, by counting.
/// </summary>
public sealed unsafe class HashTables : IDisposable
{
    /// <summary>The most rows that 16 bits tell apart.</summary>
    public const int MostRows = 1 << 16;

    private readonly NativeBuffer _memory;
    private readonly uint* _starts;
    private readonly ushort* _rows;
    private readonly int _tables;
    private readonly int _buckets;

    /// <param name="codes">[tables, rows]</param>
    /// <param name="tables">At least 1.</param>
    /// <param name="bits">Of a code: 1 to 16.</param>
    /// <param name="rows">1 to <see cref="MostRows"/>.</param>
    public HashTables(ReadOnlySpan<ushort> codes, int tables, int bits, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MostRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(codes.Length, (long)tables * rows, nameof(codes));
        (_tables, Rows, _buckets) = (tables, rows, 1 << bits);
        _memory = NativeBuffer.Uninitialized(BytesFor(tables, bits, rows));
        _starts = (uint*)_memory.View.Start;
        _rows = (ushort*)(_starts + (long)tables * (_buckets + 1));
        for (var table = 0; table < tables; table++)
            Sort(codes.Slice(table * rows, rows), _starts + (long)table * (_buckets + 1), _rows + (long)table * rows);
    }

    public int Rows { get; }

    public long Bytes => _memory.Bytes;

    /// <summary>Bytes of such tables.</summary>
    public static long BytesFor(int tables, int bits, int rows) => tables * (((1L << bits) + 1) * sizeof(uint) + (long)rows * sizeof(ushort));

    /// <summary>
    /// For every row that shares a bucket with <paramref name="codes"/>: sets its bit in <paramref name="once"/>, and if that was set before, the one in
    /// <paramref name="twice"/>.
    /// </summary>
    /// <param name="codes">[tables]</param>
    /// <param name="once">A bit for each row, from that of row 0 on; so is <paramref name="twice"/>.</param>
    /// <returns>Rows met, counted in every table.</returns>
    public long Mark(ReadOnlySpan<ushort> codes, Span<ulong> once, Span<ulong> twice)
    {
        const int TablesAhead = 4;
        ArgumentOutOfRangeException.ThrowIfLessThan(Math.Min(once.Length, twice.Length) * 64L, Rows, nameof(once));
        var met = 0L;
        fixed (ushort* code = codes)
        fixed (ulong* o = once, t = twice)
        {
            for (var table = 0; table < _tables; table++)
            {
                if (table + TablesAhead < _tables)
                    Prefetch(table + TablesAhead, code[table + TablesAhead]);
                var starts = _starts + (long)table * (_buckets + 1) + code[table];
                var own = _rows + (long)table * Rows;
                for (var i = starts[0]; i < starts[1]; i++)
                {
                    var row = own[i];
                    var bit = 1UL << row;
                    var word = row >> 6;
                    t[word] |= o[word] & bit;
                    o[word] |= bit;
                }

                met += starts[1] - starts[0];
            }
        }

        return met;
    }

    public void Dispose() => _memory.Dispose();

    private void Prefetch(int table, int code)
    {
        if (System.Runtime.Intrinsics.X86.Sse.IsSupported)
            System.Runtime.Intrinsics.X86.Sse.Prefetch0(_rows + (long)table * Rows + _starts[(long)table * (_buckets + 1) + code]);
    }

    private void Sort(ReadOnlySpan<ushort> codes, uint* starts, ushort* rows)
    {
        new Span<uint>(starts, _buckets + 1).Clear();
        foreach (var code in codes)
            starts[code + 1]++;
        for (var bucket = 0; bucket < _buckets; bucket++)
            starts[bucket + 1] += starts[bucket];
        // Every bucket's start moves to its end while it is filled; then all move back by one place.
        for (var row = 0; row < codes.Length; row++)
            rows[starts[codes[row]]++] = (ushort)row;
        for (var bucket = _buckets; bucket > 0; bucket--)
            starts[bucket] = starts[bucket - 1];
        starts[0] = 0;
    }
}
