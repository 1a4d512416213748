using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Sampling;

public delegate void SignScanFunc(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> queries, int byteCount, Span<byte> scores, int stride);

public delegate void SignBytesFunc(ReadOnlySpan<float> values, Span<byte> signs);

/// <summary>
/// Scores of rows of which the signs alone are kept: in how many elements a row's sign differs from a query's, which is the Hamming distance of two strings
/// of bits, XOR and POPCNT. Byte i of 64 rows lies side by side, so that a register has a byte of each row and sums stay where they are. What vectors have in
/// the place of POPCNT is a table of 16 bytes for each four bits: with the query's bits put into the table, XOR costs nothing.
/// </summary>
public static unsafe class SignScan
{
    /// <summary>Rows whose signs lie together.</summary>
    public const int GroupRows = 64;

    /// <summary>The score of a row that differs nowhere; it loses one for each sign that differs, down to 0.</summary>
    public const int MostScore = 255;

    internal const int TableEntries = 16;

    private const int BitsPerByte = 8;
    private const int MostBytes = 32;
    private const int HeadsAtOnce = 4;

    // Signs of so many bytes further on are asked for: what a core reads from memory while it scores a group.
    private const int AheadBytes = 4096;

    public static readonly Variant<SignScanFunc>[] Variants =
    [
        new("scalar", true, Scalar),
        new("128", Vector128.IsHardwareAccelerated, Wide<SignLanes128, Vector128<byte>>),
        new("256", Avx2.IsSupported, Wide<SignLanes256, Vector256<byte>>),
        new("512", Avx512BW.IsSupported, Wide<SignLanes512, Vector512<byte>>),
    ];

    public static readonly Variant<SignBytesFunc>[] BytesVariants =
        [new("scalar", true, BytesScalar), new(PortableVector.Name, PortableVector.IsSupported, BytesWide)];

    /// <summary>The most elements of a row: of more, too many would differ from a random row's to be counted in a byte.</summary>
    public static int MostElements => MostBytes * BitsPerByte;

    /// <summary>Bytes that the signs of a row take.</summary>
    public static int RowBytes(int dim) => (dim + BitsPerByte - 1) / BitsPerByte;

    /// <summary>Bit b of signs[i] says whether value 8 i + b is below 0: no zero is, and no NaN. Bits behind the last value are 0.</summary>
    /// <param name="signs"><see cref="RowBytes"/> of them.</param>
    public static void Bytes(ReadOnlySpan<float> values, Span<byte> signs)
    {
        if (PortableVector.IsSupported)
            BytesWide(values, signs);
        else
            BytesScalar(values, signs);
    }

    /// <summary>Writes the signs of one row of a group.</summary>
    /// <param name="group">[bytes of a row, <see cref="GroupRows"/>]</param>
    /// <param name="row">Within the group.</param>
    public static void Store(Span<byte> group, int row, ReadOnlySpan<byte> signs)
    {
        for (var i = 0; i < signs.Length; i++)
            group[i * GroupRows + row] = signs[i];
    }

    /// <summary>Copies signs of rows that lie together in a group to others, in the same group or in another.</summary>
    public static void Copy(ReadOnlySpan<byte> from, int row, Span<byte> to, int toRow, int rowCount)
    {
        for (var first = 0; first < from.Length; first += GroupRows)
            from.Slice(first + row, rowCount).CopyTo(to[(first + toRow)..]);
    }

    /// <summary>
    /// scores[h * stride + r] = 255 less the number of elements in which row r and query h differ by their signs, or 0; for whole groups of rows.
    /// </summary>
    /// <param name="codes">[groups, byteCount, <see cref="GroupRows"/>]</param>
    /// <param name="queries">[heads, byteCount]</param>
    /// <param name="byteCount">Bytes of a row: at most 32.</param>
    /// <param name="stride">From one head's scores to the next's; at least the rows.</param>
    public static void Scan(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> queries, int byteCount, Span<byte> scores, int stride)
    {
        if (Avx512BW.IsSupported)
            Wide<SignLanes512, Vector512<byte>>(codes, queries, byteCount, scores, stride);
        else if (Avx2.IsSupported)
            Wide<SignLanes256, Vector256<byte>>(codes, queries, byteCount, scores, stride);
        else if (Vector128.IsHardwareAccelerated)
            Wide<SignLanes128, Vector128<byte>>(codes, queries, byteCount, scores, stride);
        else
            Scalar(codes, queries, byteCount, scores, stride);
    }

    /// <summary>How many scores are <paramref name="least"/> or more.</summary>
    public static int CountFrom(ReadOnlySpan<byte> scores, byte least)
    {
        var (count, i) = (0, 0);
        fixed (byte* score = scores)
        {
            var limit = Vector512.Create(least);
            for (; PortableVector.IsSupported && i + GroupRows <= scores.Length; i += GroupRows)
                count += BitOperations.PopCount(Vector512.GreaterThanOrEqual(Vector512.Load(score + i), limit).ExtractMostSignificantBits());
        }

        for (; i < scores.Length; i++)
            count += scores[i] >= least ? 1 : 0;
        return count;
    }

    private static int GroupCount(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> queries, int byteCount, Span<byte> scores, int stride)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(byteCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteCount, MostBytes);
        var (groups, heads) = (codes.Length / (byteCount * GroupRows), queries.Length / byteCount);
        Lengths.RequireEqual(codes.Length, groups * byteCount * GroupRows, nameof(codes));
        Lengths.RequireEqual(queries.Length, heads * byteCount, nameof(queries));
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, groups * GroupRows);
        Lengths.RequireAtLeast(scores.Length, (heads - 1L) * stride + groups * GroupRows, nameof(scores));
        return groups;
    }

    private static void Scalar(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> queries, int byteCount, Span<byte> scores, int stride)
    {
        var groups = GroupCount(codes, queries, byteCount, scores, stride);
        for (var head = 0; head < queries.Length / byteCount; head++)
        {
            for (var row = 0; row < groups * GroupRows; row++)
            {
                var own = codes[(row / GroupRows * byteCount * GroupRows + row % GroupRows)..];
                var differ = 0;
                for (var i = 0; i < byteCount; i++)
                    differ += BitOperations.PopCount((uint)(own[i * GroupRows] ^ queries[head * byteCount + i]));
                scores[head * stride + row] = (byte)Math.Max(0, MostScore - differ);
            }
        }
    }

    [SkipLocalsInit]
    private static void Wide<TLanes, TVector>(ReadOnlySpan<byte> codes, ReadOnlySpan<byte> queries, int byteCount, Span<byte> scores, int stride)
        where TLanes : ISignLanes<TVector>
        where TVector : struct
    {
        var groups = GroupCount(codes, queries, byteCount, scores, stride);
        var headBytes = 2 * byteCount * TableEntries;
        var tables = stackalloc byte[HeadsAtOnce * 2 * MostBytes * TableEntries];
        fixed (byte* code = codes, score = scores)
        {
            for (var first = 0; first < queries.Length / byteCount; first += HeadsAtOnce)
            {
                var heads = Math.Min(HeadsAtOnce, queries.Length / byteCount - first);
                MakeTables(queries.Slice(first * byteCount, heads * byteCount), tables);
                for (var group = 0; group < groups; group++)
                {
                    var own = code + (long)group * byteCount * GroupRows;
                    var to = score + (long)first * stride + group * GroupRows;
                    for (var row = 0; row < GroupRows; row += TLanes.Count)
                    {
                        if (heads == 1)
                            One<TLanes, TVector>(own + row, byteCount, tables, to + row);
                        else
                            Four<TLanes, TVector>(own + row, byteCount, tables, headBytes, to + row, stride, heads);
                    }
                }
            }
        }
    }

    // What each number of four bits says: in how many it differs from the query's.
    private static void MakeTables(ReadOnlySpan<byte> queries, byte* tables)
    {
        var counts = Vector128.Create((byte)0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
        foreach (var signs in queries)
        {
            Vector128.Shuffle(counts, Vector128<byte>.Indices ^ Vector128.Create((byte)(signs & 15))).Store(tables);
            Vector128.Shuffle(counts, Vector128<byte>.Indices ^ Vector128.Create((byte)(signs >> 4))).Store(tables + TableEntries);
            tables += 2 * TableEntries;
        }
    }

    private static void One<TLanes, TVector>(byte* codes, int byteCount, byte* tables, byte* scores)
        where TLanes : ISignLanes<TVector>
        where TVector : struct
    {
        var sum = default(TVector);
        for (var i = 0; i < byteCount; i++, codes += GroupRows, tables += 2 * TableEntries)
        {
            var both = TLanes.Load(codes);
            CacheLines.Prefetch(codes + AheadBytes);
            sum = TLanes.Add(sum, tables, TLanes.Low(both), TLanes.High(both));
        }

        TLanes.Give(sum, scores);
    }

    // With fewer than four heads the last one counts for those that are missing.
    private static void Four<TLanes, TVector>(byte* codes, int byteCount, byte* tables, nint second, byte* scores, int stride, int heads)
        where TLanes : ISignLanes<TVector>
        where TVector : struct
    {
        var third = heads > 2 ? 2 * second : second;
        var fourth = heads > 3 ? 3 * second : third;
        var (sum0, sum1, sum2, sum3) = (default(TVector), default(TVector), default(TVector), default(TVector));
        for (var end = codes + byteCount * GroupRows; codes < end; codes += GroupRows, tables += 2 * TableEntries)
        {
            var both = TLanes.Load(codes);
            CacheLines.Prefetch(codes + AheadBytes);
            var (low, high) = (TLanes.Low(both), TLanes.High(both));
            sum0 = TLanes.Add(sum0, tables, low, high);
            sum1 = TLanes.Add(sum1, tables + second, low, high);
            sum2 = TLanes.Add(sum2, tables + third, low, high);
            sum3 = TLanes.Add(sum3, tables + fourth, low, high);
        }

        TLanes.Give(sum0, scores);
        TLanes.Give(sum1, scores += stride);
        TLanes.Give(sum2, scores += heads > 2 ? stride : 0);
        TLanes.Give(sum3, scores + (heads > 3 ? stride : 0));
    }

    private static void BytesScalar(ReadOnlySpan<float> values, Span<byte> signs)
    {
        Lengths.RequireEqual(signs.Length, RowBytes(values.Length), nameof(signs));
        signs.Clear();
        for (var i = 0; i < values.Length; i++)
            signs[i / BitsPerByte] |= (byte)(values[i] < 0 ? 1 << (i % BitsPerByte) : 0);
    }

    private static void BytesWide(ReadOnlySpan<float> values, Span<byte> signs)
    {
        Lengths.RequireEqual(signs.Length, RowBytes(values.Length), nameof(signs));
        var i = 0;
        for (; i + Vector256<float>.Count <= values.Length; i += Vector256<float>.Count)
            signs[i / BitsPerByte] = (byte)Vector256.LessThan(Vector256.Create(values[i..]), Vector256<float>.Zero).ExtractMostSignificantBits();
        if (i < values.Length)
            BytesScalar(values[i..], signs[(i / BitsPerByte)..]);
    }
}
