using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

public delegate void CodeScanFunc(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride);

/// <summary>
/// Scores of coded rows: a row is one number of four bits for each of a few tables, and its score is the sum of what the tables say. A table of 16 bytes fits a
/// register, so that one shuffle looks up 64 rows; this is the fast scan of product quantisation.
/// </summary>
public static unsafe class CodeScan
{
    /// <summary>Rows whose codes lie together.</summary>
    public const int GroupRows = 64;

    /// <summary>Numbers of a code, and entries of a table.</summary>
    public const int TableEntries = 16;

    /// <summary>The largest entry: four of them are added in a byte.</summary>
    public const int MostEntry = 63;

    /// <summary>Tables come in multiples of this.</summary>
    public const int TablesAtOnce = 4;

    private const int MostTables = 1024;

    public static readonly Variant<CodeScanFunc>[] Variants =
    [
        new("scalar", true, Scalar),
        new("128", Vector128.IsHardwareAccelerated, Wide128),
        new("512", Avx512BW.IsSupported, Wide512),
    ];

    /// <summary>Bytes of the codes of a group of rows.</summary>
    public static int GroupBytes(int tableCount) => tableCount / 2 * GroupRows;

    /// <summary>Writes the code of one row of a group.</summary>
    /// <param name="group">Of <see cref="GroupBytes"/>.</param>
    /// <param name="row">Within the group.</param>
    /// <param name="numbers">[tables], below 16.</param>
    public static void Store(Span<byte> group, int row, ReadOnlySpan<byte> numbers)
    {
        for (var pair = 0; pair < numbers.Length / 2; pair++)
            group[pair * GroupRows + Place(row)] = (byte)(numbers[2 * pair] | (numbers[2 * pair + 1] << 4));
    }

    /// <summary>scores[h * stride + r] = the sum over tables t of tables[h, t, number t of row r], for whole groups of rows.</summary>
    /// <param name="codes">Of the groups, one behind the other.</param>
    /// <param name="tables">[heads, tableCount, 16], none above <see cref="MostEntry"/>.</param>
    /// <param name="tableCount">A multiple of <see cref="TablesAtOnce"/>.</param>
    /// <param name="stride">Elements from one head's scores to the next's; at least the rows.</param>
    public static void Scan(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        if (Avx512BW.IsSupported)
            Wide512(codes, tables, tableCount, scores, stride);
        else if (Vector128.IsHardwareAccelerated)
            Wide128(codes, tables, tableCount, scores, stride);
        else
            Scalar(codes, tables, tableCount, scores, stride);
    }

    /// <summary>best[r] = the largest of least and scores[h * stride + r] + shifts[h] over heads h; nothing may exceed 65535.</summary>
    /// <param name="scores">scores[h * stride + r].</param>
    /// <param name="shifts">[heads]</param>
    /// <param name="best">Whole groups of rows.</param>
    public static void Best(ReadOnlySpan<ushort> scores, int stride, ReadOnlySpan<ushort> shifts, ushort least, Span<ushort> best)
    {
        if (best.IsEmpty)
            return;
        ArgumentOutOfRangeException.ThrowIfNotEqual(best.Length % GroupRows, 0);
        Lengths.RequireAtLeast(scores.Length, (shifts.Length - 1L) * stride + best.Length, nameof(scores));
        fixed (ushort* s = scores, b = best)
        {
            for (var row = 0; row < best.Length; row += Vector512<ushort>.Count)
            {
                var most = Vector512.Create(least);
                for (var head = 0; head < shifts.Length; head++)
                    most = Vector512.Max(most, Vector512.Load(s + (long)head * stride + row) + Vector512.Create(shifts[head]));
                most.Store(b + row);
            }
        }
    }

    /// <summary>bits[w] = which of the rows [64 w, 64 w + 64) have best[r] + (noise[r] >> shift) above a threshold.</summary>
    /// <param name="noise">As many as <paramref name="best"/>, whole groups of rows.</param>
    /// <param name="bits">One word for each group of rows.</param>
    public static void Mark(ReadOnlySpan<ushort> best, ReadOnlySpan<ushort> noise, int shift, ushort threshold, Span<ulong> bits)
    {
        if (bits.IsEmpty)
            return;
        Lengths.RequireEqual(best.Length, bits.Length * GroupRows, nameof(best));
        Lengths.RequireEqual(noise.Length, best.Length, nameof(noise));
        var most = Vector512.Create(threshold);
        fixed (ushort* b = best, n = noise)
        {
            for (var word = 0; word < bits.Length; word++)
            {
                var at = word * GroupRows;
                var lower = Vector512.GreaterThan(Vector512.Load(b + at) + (Vector512.Load(n + at) >>> shift), most);
                at += Vector512<ushort>.Count;
                var upper = Vector512.GreaterThan(Vector512.Load(b + at) + (Vector512.Load(n + at) >>> shift), most);
                bits[word] = lower.ExtractMostSignificantBits() | (upper.ExtractMostSignificantBits() << Vector512<ushort>.Count);
            }
        }
    }

    // Sums of even bytes and of odd ones are kept apart, and each half is stored in one piece.
    private static int Place(int row) => row < GroupRows / 2 ? 2 * row : 2 * (row - GroupRows / 2) + 1;

    private static int GroupCount(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(tableCount % TablesAtOnce, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tableCount, MostTables);
        var groups = codes.Length / GroupBytes(tableCount);
        Lengths.RequireEqual(codes.Length, groups * GroupBytes(tableCount), nameof(codes));
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, groups * GroupRows);
        var heads = tables.Length / (tableCount * TableEntries);
        Lengths.RequireEqual(tables.Length, heads * tableCount * TableEntries, nameof(tables));
        Lengths.RequireAtLeast(scores.Length, (heads - 1L) * stride + groups * GroupRows, nameof(scores));
        return groups;
    }

    private static void Scalar(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        var groups = GroupCount(codes, tables, tableCount, scores, stride);
        for (var head = 0; head < tables.Length / (tableCount * TableEntries); head++)
        {
            for (var row = 0; row < groups * GroupRows; row++)
            {
                var own = codes[(row / GroupRows * GroupBytes(tableCount) + Place(row % GroupRows))..];
                var sum = 0;
                for (var table = 0; table < tableCount; table++)
                {
                    var number = (own[table / 2 * GroupRows] >> (table % 2 * 4)) & (TableEntries - 1);
                    sum += tables[(head * tableCount + table) * TableEntries + number];
                }

                scores[head * stride + row] = (ushort)sum;
            }
        }
    }

    [SkipLocalsInit]
    private static void Wide128(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        var groups = GroupCount(codes, tables, tableCount, scores, stride);
        var heads = tables.Length / (tableCount * TableEntries);
        var scratch = stackalloc byte[tableCount * GroupRows + CacheLines.Bytes];
        var numbers = (byte*)CacheLines.Align(scratch);
        fixed (byte* code = codes, first = tables)
        fixed (ushort* score = scores)
        {
            for (var group = 0; group < groups; group++)
            {
                Unpack(code + (long)group * GroupBytes(tableCount), tableCount, numbers);
                for (var head = 0; head < heads; head++)
                {
                    var table = first + head * tableCount * TableEntries;
                    var own = score + (long)head * stride + group * GroupRows;
                    for (var part = 0; part < GroupRows / 16; part++)
                    {
                        var (all, odd) = (Vector128<ushort>.Zero, Vector128<ushort>.Zero);
                        for (var t = 0; t < tableCount; t += TablesAtOnce)
                        {
                            var sum = (LookUp128(table, numbers, t, part) + LookUp128(table, numbers, t + 1, part)
                                + LookUp128(table, numbers, t + 2, part) + LookUp128(table, numbers, t + 3, part)).AsUInt16();
                            all += sum;
                            odd += sum >>> 8;
                        }

                        (all - (odd << 8)).Store(own + 8 * part);
                        odd.Store(own + GroupRows / 2 + 8 * part);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> LookUp128(byte* table, byte* numbers, int index, int part) =>
        Vector128.ShuffleNative(Vector128.Load(table + index * TableEntries), Vector128.Load(numbers + index * GroupRows + 16 * part));

    // 2.2 ns a row of 32 tables and four heads, where reading keys and values from memory takes 40.
    [SkipLocalsInit]
    private static void Wide512(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        var groups = GroupCount(codes, tables, tableCount, scores, stride);
        var heads = tables.Length / (tableCount * TableEntries);
        var scratch = stackalloc byte[tableCount * GroupRows + CacheLines.Bytes];
        var numbers = (byte*)CacheLines.Align(scratch);
        fixed (byte* code = codes, first = tables)
        fixed (ushort* score = scores)
        {
            for (var group = 0; group < groups; group++)
            {
                Unpack(code + (long)group * GroupBytes(tableCount), tableCount, numbers);
                for (var head = 0; head < heads; head++)
                {
                    var table = first + head * tableCount * TableEntries;
                    var own = score + (long)head * stride + group * GroupRows;
                    var (all, odd) = (Vector512<ushort>.Zero, Vector512<ushort>.Zero);
                    for (var t = 0; t < tableCount; t += TablesAtOnce)
                    {
                        var sum = (LookUp512(table, numbers, t) + LookUp512(table, numbers, t + 1)
                            + (LookUp512(table, numbers, t + 2) + LookUp512(table, numbers, t + 3))).AsUInt16();
                        all += sum;
                        odd += sum >>> 8;
                    }

                    (all - (odd << 8)).Store(own);
                    odd.Store(own + GroupRows / 2);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> LookUp512(byte* table, byte* numbers, int index) =>
        Avx512BW.Shuffle(Avx512F.BroadcastVector128ToVector512((uint*)(table + index * TableEntries)).AsByte(), Vector512.Load(numbers + index * GroupRows));

    // numbers[table, byte] for the rows of a group.
    private static void Unpack(byte* codes, int tableCount, byte* numbers)
    {
        var lower = Vector512.Create((byte)(TableEntries - 1));
        for (var pair = 0; pair < tableCount / 2; pair++)
        {
            var both = Vector512.Load(codes + pair * GroupRows);
            (both & lower).Store(numbers + 2 * pair * GroupRows);
            ((both.AsUInt16() >>> 4).AsByte() & lower).Store(numbers + (2 * pair + 1) * GroupRows);
        }
    }
}
