using System.Numerics;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Hashing;

/// <summary>
/// The buckets of up to 65,536 rows in every table: 16-bit numbers of rows, ascending within a bucket, and where each bucket begins. Each table is built
/// once, by counting,
/// in memory that somebody else owns.
/// </summary>
public readonly unsafe struct HashTables
{
    /// <summary>The most rows that 16 bits tell apart.</summary>
    public const int MostRows = 1 << 16;

    // So many buckets are on their way from memory at a time.
    private const int TablesAhead = 24;
    private const int MostCounted = 250;
    private readonly uint* _starts;
    private readonly ushort* _rows;
    private readonly int _tables;
    private readonly int _buckets;

    /// <param name="memory">At least <see cref="BytesFor"/>.</param>
    /// <param name="tables">At least 1.</param>
    /// <param name="bits">Of a code: 1 to 16.</param>
    /// <param name="rows">1 to <see cref="MostRows"/>.</param>
    public HashTables(NativeView memory, int tables, int bits, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, MostRows);
        ArgumentOutOfRangeException.ThrowIfLessThan(memory.Bytes, BytesFor(tables, bits, rows), nameof(memory));
        (_tables, Rows, _buckets) = (tables, rows, 1 << bits);
        _starts = (uint*)memory.Start;
        _rows = (ushort*)(_starts + (long)tables * (_buckets + 1));
    }

    private HashTables(HashTables tables, int rows)
    {
        (_tables, Rows, _buckets) = (tables._tables, rows, tables._buckets);
        _starts = tables._starts;
        _rows = tables._rows;
    }

    public int Rows { get; }

    /// <summary>Bytes of such tables.</summary>
    public static long BytesFor(int tables, int bits, int rows) => tables * (((1L << bits) + 1) * sizeof(uint) + (long)rows * sizeof(ushort));

    /// <summary>[rows]: where the codes of a table wait for <see cref="Sort"/>, in the place of what it makes of them.</summary>
    public Span<ushort> Codes(int table)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)table, (uint)_tables, nameof(table));
        return new Span<ushort>(_rows + (long)table * Rows, Rows);
    }

    /// <summary>Sorts rows into the buckets of one table, by its <see cref="Codes"/>.</summary>
    /// <param name="copy">Room for as many.</param>
    public void Sort(int table, Span<ushort> copy)
    {
        var codes = Codes(table);
        codes.CopyTo(copy);
        Distribute(copy[..Rows], _starts + (long)table * (_buckets + 1), _rows + (long)table * Rows);
    }

    /// <summary>
    /// The tables of some of the rows, numbered anew, in the same memory: what they do not need lies behind them. These tables are worth nothing afterwards.
    /// </summary>
    /// <param name="numbers">Of each row its new number, which ascend; negative for one that goes.</param>
    /// <param name="rows">That stay: at least 1.</param>
    public HashTables Keep(ReadOnlySpan<int> numbers, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(numbers.Length, Rows, nameof(numbers));
        var kept = new HashTables(this, rows);
        for (var table = 0; table < _tables; table++)
        {
            var starts = Starts(table, 0);
            var from = _rows + ((long)table * Rows);
            var to = _rows + ((long)table * rows);
            var (next, count) = (starts[0], 0u);
            for (var bucket = 0; bucket < _buckets; bucket++)
            {
                var bucketEnd = starts[bucket + 1];
                starts[bucket] = count;
                for (; next < bucketEnd; next++)
                {
                    // Written over by the next if it goes: a branch would be guessed wrong time and again.
                    var number = numbers[from[next]];
                    to[count] = (ushort)number;
                    count += number >= 0 ? 1u : 0;
                }
            }

            starts[_buckets] = count;
            ArgumentOutOfRangeException.ThrowIfNotEqual(count, (uint)rows, nameof(rows));
        }

        return kept;
    }

    /// <summary>The same tables in memory to which they were copied.</summary>
    public HashTables At(NativeView memory) => new(memory, _tables, BitOperations.Log2((uint)_buckets), Rows);

    /// <summary>Asks for where the buckets of <paramref name="codes"/> begin, of which <see cref="Count"/> will read.</summary>
    /// <param name="codes">[tables]</param>
    public void Ask(ReadOnlySpan<ushort> codes)
    {
        for (var table = 0; table < _tables; table++)
            CacheLines.Prefetch((byte*)Starts(table, codes[table]));
    }

    /// <summary>
    /// Counts for every row the tables in which it shares a bucket with <paramref name="codes"/>: exactly up to two, above that it may be fewer.
    /// </summary>
    /// <param name="codes">[tables]</param>
    /// <param name="counts">For each row.</param>
    /// <returns>Rows met, counted in every table.</returns>
    public long Count(ReadOnlySpan<ushort> codes, Span<byte> counts)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(counts.Length, Rows, nameof(counts));
        counts[..Rows].Clear();
        var met = 0L;
        for (var table = 0; table < Math.Min(TablesAhead, _tables); table++)
            AskRows(table, codes[table]);
        fixed (byte* count = counts)
        {
            for (var table = 0; table < _tables; table++)
            {
                if (table + TablesAhead < _tables)
                    AskRows(table + TablesAhead, codes[table + TablesAhead]);
                // Before a byte can overflow.
                if (table % MostCounted == MostCounted - 1)
                    Limit(counts[..Rows]);
                var starts = Starts(table, codes[table]);
                var row = _rows + (long)table * Rows + starts[0];
                var end = row + (starts[1] - starts[0]);
                met += end - row;
                for (; row < end; row++)
                    count[*row]++;
            }
        }

        return met;
    }

    private uint* Starts(int table, int code) => _starts + (long)table * (_buckets + 1) + code;

    private void AskRows(int table, int code)
    {
        var starts = Starts(table, code);
        var rows = (byte*)(_rows + (long)table * Rows);
        var end = rows + starts[1] * sizeof(ushort);
        for (var line = rows + starts[0] * sizeof(ushort); line < end; line += CacheLines.Bytes)
            CacheLines.Prefetch(line);
    }

    private static void Limit(Span<byte> counts)
    {
        foreach (ref var count in counts)
            count = Math.Min(count, (byte)2);
    }

    private void Distribute(ReadOnlySpan<ushort> codes, uint* starts, ushort* rows)
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
