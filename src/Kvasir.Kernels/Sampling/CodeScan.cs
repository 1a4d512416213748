using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Sampling;

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

    /// <summary>Tables come in multiples of this: what so many say is added in bytes.</summary>
    public const int TablesAtOnce = 8;

    /// <summary>What the largest entries of tables [8 i, 8 i + 8) may amount to together.</summary>
    public const int MostSum = 255;

    private const int MostTables = 1024;
    private const int HeadsAtOnce = 4;

    // Codes of so many bytes further on are asked for: what a core reads from memory while it scores a group.
    private const int AheadBytes = 4096;

    public static readonly Variant<CodeScanFunc>[] Variants =
    [
        new("scalar", true, Scalar),
        new("128", Vector128.IsHardwareAccelerated, Wide128),
        new("256", Avx2.IsSupported, Wide256),
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

    /// <summary>Copies the code of one row to the place of another, in the same group or in another.</summary>
    public static void Copy(ReadOnlySpan<byte> from, int row, Span<byte> to, int toRow)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(to.Length, from.Length, nameof(to));
        for (var first = 0; first < from.Length; first += GroupRows)
            to[first + Place(toRow)] = from[first + Place(row)];
    }

    /// <summary>scores[h * stride + r] = the sum over tables t of tables[h, t, number t of row r], for whole groups of rows.</summary>
    /// <param name="codes">Of the groups, one behind the other.</param>
    /// <param name="tables">[heads, tableCount, 16], within <see cref="MostSum"/>.</param>
    /// <param name="tableCount">A multiple of <see cref="TablesAtOnce"/>.</param>
    /// <param name="stride">Elements from one head's scores to the next's; at least the rows.</param>
    public static void Scan(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        if (Avx512BW.IsSupported)
            Wide512(codes, tables, tableCount, scores, stride);
        else if (Avx2.IsSupported)
            Wide256(codes, tables, tableCount, scores, stride);
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
                            var sum = Vector128<byte>.Zero;
                            for (var i = t; i < t + TablesAtOnce; i++)
                                sum += LookUp128(table, numbers, i, part);
                            all += sum.AsUInt16();
                            odd += sum.AsUInt16() >>> 8;
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

    [SkipLocalsInit]
    private static void Wide256(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
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
                    var own = score + (long)head * stride + group * GroupRows;
                    Half256(first + head * tableCount * TableEntries, numbers, tableCount, own);
                    Half256(first + head * tableCount * TableEntries, numbers + GroupRows / 2, tableCount, own + GroupRows / 4);
                }
            }
        }
    }

    private static void Half256(byte* table, byte* numbers, int tableCount, ushort* scores)
    {
        var (all, odd) = (Vector256<ushort>.Zero, Vector256<ushort>.Zero);
        for (var t = 0; t < tableCount; t += TablesAtOnce)
        {
            var (even, other) = (Vector256<byte>.Zero, Vector256<byte>.Zero);
            for (var end = table + TablesAtOnce * TableEntries; table < end; table += 2 * TableEntries, numbers += 2 * GroupRows)
            {
                even += Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(table), Vector256.Load(numbers));
                other += Avx2.Shuffle(Avx2.BroadcastVector128ToVector256(table + TableEntries), Vector256.Load(numbers + GroupRows));
            }

            var sum = (even + other).AsUInt16();
            all += sum;
            odd += sum >>> 8;
        }

        (all - (odd << 8)).Store(scores);
        odd.Store(scores + GroupRows / 2);
    }

    // With four heads 1.0 ns a row of 32 tables, where reading keys and values from memory takes 40: codes are unpacked once for all of them.
    private static void Wide512(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> tables, int tableCount, Span<ushort> scores, int stride)
    {
        var groups = GroupCount(codes, tables, tableCount, scores, stride);
        var (heads, headBytes) = (tables.Length / (tableCount * TableEntries), tableCount * TableEntries);
        fixed (byte* code = codes, first = tables)
        fixed (ushort* score = scores)
        {
            for (var group = 0; group < groups; group++)
            {
                var own = code + (long)group * GroupBytes(tableCount);
                var head = 0;
                for (; head < heads - 1; head += HeadsAtOnce)
                    Four512(own, first + head * headBytes, tableCount, score + (long)head * stride + group * GroupRows, stride, heads - head);
                if (head < heads)
                    One512(own, first + head * headBytes, tableCount, score + (long)head * stride + group * GroupRows);
            }
        }
    }

    private static void One512(byte* codes, byte* table, int tableCount, ushort* scores)
    {
        var lower = Vector512.Create((byte)(TableEntries - 1));
        var (all, odd) = (Vector512<ushort>.Zero, Vector512<ushort>.Zero);
        for (var t = 0; t < tableCount; t += TablesAtOnce)
        {
            var (even, other) = (Vector512<byte>.Zero, Vector512<byte>.Zero);
            for (var end = codes + TablesAtOnce / 2 * GroupRows; codes < end; codes += GroupRows, table += 2 * TableEntries)
            {
                var both = Vector512.Load(codes);
                CacheLines.Prefetch(codes + AheadBytes);
                even += LookUp512(table, both & lower);
                other += LookUp512(table + TableEntries, (both.AsUInt16() >>> 4).AsByte() & lower);
            }

            Widen((even + other).AsUInt16(), ref all, ref odd);
        }

        Give(all, odd, scores);
    }

    // With fewer than four heads the last one counts for those that are missing.
    private static void Four512(byte* codes, byte* tables, int tableCount, ushort* scores, int stride, int heads)
    {
        var lower = Vector512.Create((byte)(TableEntries - 1));
        nint second = tableCount * TableEntries;
        var third = heads > 2 ? 2 * second : second;
        var fourth = heads > 3 ? 3 * second : third;
        var (all0, odd0, all1, odd1) = (Vector512<ushort>.Zero, Vector512<ushort>.Zero, Vector512<ushort>.Zero, Vector512<ushort>.Zero);
        var (all2, odd2, all3, odd3) = (all0, all0, all0, all0);
        for (var t = 0; t < tableCount; t += TablesAtOnce)
        {
            var (sum0, sum1, sum2, sum3) = (Vector512<byte>.Zero, Vector512<byte>.Zero, Vector512<byte>.Zero, Vector512<byte>.Zero);
            for (var end = codes + TablesAtOnce / 2 * GroupRows; codes < end; codes += GroupRows, tables += 2 * TableEntries)
            {
                var both = Vector512.Load(codes);
                CacheLines.Prefetch(codes + AheadBytes);
                var number = both & lower;
                sum0 += LookUp512(tables, number);
                sum1 += LookUp512(tables + second, number);
                sum2 += LookUp512(tables + third, number);
                sum3 += LookUp512(tables + fourth, number);
                number = (both.AsUInt16() >>> 4).AsByte() & lower;
                sum0 += LookUp512(tables + TableEntries, number);
                sum1 += LookUp512(tables + second + TableEntries, number);
                sum2 += LookUp512(tables + third + TableEntries, number);
                sum3 += LookUp512(tables + fourth + TableEntries, number);
            }

            Widen(sum0.AsUInt16(), ref all0, ref odd0);
            Widen(sum1.AsUInt16(), ref all1, ref odd1);
            Widen(sum2.AsUInt16(), ref all2, ref odd2);
            Widen(sum3.AsUInt16(), ref all3, ref odd3);
        }

        Give(all0, odd0, scores);
        Give(all1, odd1, scores += stride);
        Give(all2, odd2, scores += heads > 2 ? stride : 0);
        Give(all3, odd3, scores + (heads > 3 ? stride : 0));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> LookUp512(byte* table, Vector512<byte> numbers) =>
        Avx512BW.Shuffle(Avx512F.BroadcastVector128ToVector512((uint*)table).AsByte(), numbers);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(Vector512<ushort> sum, ref Vector512<ushort> all, ref Vector512<ushort> odd)
    {
        all += sum;
        odd += sum >>> 8;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Give(Vector512<ushort> all, Vector512<ushort> odd, ushort* scores)
    {
        (all - (odd << 8)).Store(scores);
        odd.Store(scores + GroupRows / 2);
    }

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
