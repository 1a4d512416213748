using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>
/// Codes of 64 rows, block of elements by block, with those of four rows side by side, as <see cref="PackedValueCode"/> multiplies them: a lane of 32 bits is a
/// byte of each of four rows. In 4 bits 16 bytes of a row are 16 lanes; in 2 bits 8 bytes are every second lane, and those between are of the four rows
/// that are 16 on.
/// </summary>
internal static unsafe class PackedCodes<TBits>
    where TBits : struct, IPackedBits
{
    private const int VectorBytes = 64;
    private const int RowsTogether = 4;
    private const int Apart = 16;
    private const int BlocksTogether = 4;
    private const int Width = 16;

    // Rows behind, that are asked for meanwhile.
    private const int AheadRows = 2 * RowWindow.BlockRows;

    private static readonly int BlockBytes = RowBlocks.Elements * TBits.Bits / 8;
    private static readonly Vector512<byte> Order = MakeOrder();

    /// <summary>Bytes of the codes of 64 rows.</summary>
    public static int Bytes(int blockCount) => RowWindow.BlockRows * BlockBytes * blockCount;

    /// <summary>
    /// The sums of the elements of a block, in order, of what <see cref="PackedValueCode"/> leaves; of 2 bits an element's is that of two lanes.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<float> First, Vector512<float> Second) InOrder(float* sums)
    {
        var (a, b) = (Vector512.Load(sums), Vector512.Load(sums + Width));
        if (TBits.Bits == 4)
        {
            var places = Vector512.Create(0, 4, 16, 20, 1, 5, 17, 21, 2, 6, 18, 22, 3, 7, 19, 23);
            return (Avx512F.PermuteVar16x32x2(a, places, b), Avx512F.PermuteVar16x32x2(a, places + Vector512.Create(8), b));
        }

        var (c, d) = (Vector512.Load(sums + (2 * Width)), Vector512.Load(sums + (3 * Width)));
        b *= 1f / PackedValueCode.Factor(2, 1);
        c *= 1f / PackedValueCode.Factor(2, 2);
        // Of a and b the even lanes, with the odd ones added, in pairs; and of c and d.
        var even = Vector512.Create(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
        var odd = even + Vector512<int>.One;
        var first = (Avx512F.PermuteVar16x32x2(a, even, b) + Avx512F.PermuteVar16x32x2(a, odd, b)).AsDouble();
        var second = (Avx512F.PermuteVar16x32x2(c, even, d) + Avx512F.PermuteVar16x32x2(c, odd, d)).AsDouble();
        var pairs = Vector512.Create(0L, 8, 1, 9, 2, 10, 3, 11);
        return (
            Avx512F.PermuteVar8x64x2(first, pairs, second).AsSingle(),
            Avx512F.PermuteVar8x64x2(first, pairs + Vector512.Create(4L), second).AsSingle());
    }

    /// <param name="rows">Addresses of 64 rows, and of those behind them.</param>
    /// <param name="from">Bytes from there to the plane that is read.</param>
    /// <param name="asks">Whether memory is asked for rows that lie two blocks behind.</param>
    /// <param name="codes">At a line of memory.</param>
    public static void Gather(byte** rows, nint from, bool asks, int blockCount, byte* codes)
    {
        if (blockCount % BlocksTogether == 0)
        {
            GatherFours(rows, from, asks, blockCount, codes);
            return;
        }

        nint stride = RowWindow.BlockRows * BlockBytes;
        var order = Order;
        for (var vector = 0; vector < stride / VectorBytes; vector++, codes += VectorBytes)
        {
            // Rows 4 i of 16 j, as their weights lie.
            var first = (RowsTogether * (vector % RowsTogether)) + (Apart * (TBits.Bits == 4 ? 1 : 2) * (vector / RowsTogether));
            var own = rows + first;
            var to = codes;
            for (var at = from; at < from + blockCount * (nint)BlockBytes; at += BlockBytes, to += stride)
                Avx512Vbmi.PermuteVar64x8(TBits.Bits == 4 ? Four(own, at) : Eight(own, at), order).Store(to);
            if (asks)
                Ask(own + AheadRows, from, blockCount * BlockBytes);
        }
    }

    // Four blocks of elements together: a vector is a row's, or half of each of two rows', and is turned with those of three others.
    private static void GatherFours(byte** rows, nint from, bool asks, int blockCount, byte* codes)
    {
        nint stride = RowWindow.BlockRows * BlockBytes;
        nint bytes = blockCount * BlockBytes;
        for (var vector = 0; vector < stride / VectorBytes; vector++, codes += VectorBytes)
        {
            var own = rows + (RowsTogether * (vector % RowsTogether)) + (Apart * (TBits.Bits == 4 ? 1 : 2) * (vector / RowsTogether));
            var to = codes;
            for (var at = from; at < from + bytes; at += BlocksTogether * BlockBytes, to += BlocksTogether * stride)
            {
                var (a, b, c, d) = TBits.Bits == 4 ? Whole(own, at) : Halves(own, at);
                a.Store(to);
                b.Store(to + stride);
                c.Store(to + (2 * stride));
                d.Store(to + (3 * stride));
            }

            if (asks)
                Ask(own + AheadRows, from, (int)bytes);
        }
    }

    // In every lane of 128 bits a block of the row: bytes of four rows are brought together, and then the lanes of a block.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<byte> A, Vector512<byte> B, Vector512<byte> C, Vector512<byte> D) Whole(byte** rows, nint at)
    {
        var (a, b, c, d) = Turned(
            Vector512.Load(rows[0] + at), Vector512.Load(rows[1] + at), Vector512.Load(rows[2] + at), Vector512.Load(rows[3] + at));
        var (even, odd) = (Avx512F.Shuffle4x128(a, b, 0b10_00_10_00), Avx512F.Shuffle4x128(a, b, 0b11_01_11_01));
        var (evenNext, oddNext) = (Avx512F.Shuffle4x128(c, d, 0b10_00_10_00), Avx512F.Shuffle4x128(c, d, 0b11_01_11_01));
        return (
            Avx512F.Shuffle4x128(even, evenNext, 0b10_00_10_00).AsByte(), Avx512F.Shuffle4x128(odd, oddNext, 0b10_00_10_00).AsByte(),
            Avx512F.Shuffle4x128(even, evenNext, 0b11_01_11_01).AsByte(), Avx512F.Shuffle4x128(odd, oddNext, 0b11_01_11_01).AsByte());
    }

    // In every lane two blocks of a row, in the upper half of the vector of the row that is 16 on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<byte> A, Vector512<byte> B, Vector512<byte> C, Vector512<byte> D) Halves(byte** rows, nint at)
    {
        var (a, b, c, d) = Turned(Pair(rows, 0, at), Pair(rows, 1, at), Pair(rows, 2, at), Pair(rows, 3, at));
        var first = Vector512.Create(0u, 8, 1, 9, 2, 10, 3, 11, 16, 24, 17, 25, 18, 26, 19, 27);
        var second = first + Vector512.Create(4u);
        return (
            Avx512F.PermuteVar16x32x2(a, first, b).AsByte(), Avx512F.PermuteVar16x32x2(c, first, d).AsByte(),
            Avx512F.PermuteVar16x32x2(a, second, b).AsByte(), Avx512F.PermuteVar16x32x2(c, second, d).AsByte());
    }

    // Four rows' bytes side by side: of each lane the first four, and so on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<uint> A, Vector512<uint> B, Vector512<uint> C, Vector512<uint> D) Turned(
        Vector512<byte> first, Vector512<byte> second, Vector512<byte> third, Vector512<byte> fourth)
    {
        var (lower, upper) = (Avx512BW.UnpackLow(first, second).AsUInt16(), Avx512BW.UnpackHigh(first, second).AsUInt16());
        var (lowerNext, upperNext) = (Avx512BW.UnpackLow(third, fourth).AsUInt16(), Avx512BW.UnpackHigh(third, fourth).AsUInt16());
        return (
            Avx512BW.UnpackLow(lower, lowerNext).AsUInt32(), Avx512BW.UnpackHigh(lower, lowerNext).AsUInt32(),
            Avx512BW.UnpackLow(upper, upperNext).AsUInt32(), Avx512BW.UnpackHigh(upper, upperNext).AsUInt32());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Pair(byte** rows, int row, nint at) =>
        Vector512.Create(Vector256.Load(rows[row] + at), Vector256.Load(rows[Apart + row] + at));

    private static void Ask(byte** rows, nint from, int bytes)
    {
        for (var row = 0; row < RowsTogether; row++)
        {
            CacheLines.Prefetch(rows[row] + from);
            if (TBits.Bits == 2)
                CacheLines.Prefetch(rows[Apart + row]);
            for (var at = from + VectorBytes; at < from + bytes; at += VectorBytes)
                CacheLines.Prefetch(rows[row] + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Four(byte** rows, nint at) => Vector512.Create(
        Vector256.Create(Vector128.Load(rows[0] + at), Vector128.Load(rows[1] + at)),
        Vector256.Create(Vector128.Load(rows[2] + at), Vector128.Load(rows[3] + at)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Eight(byte** rows, nint at) => Vector512.Create(
        Vector256.Create(Two(rows, 0, at), Two(rows, 2, at)),
        Vector256.Create(Two(rows, Apart, at), Two(rows, Apart + 2, at)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Two(byte** rows, int first, nint at) =>
        Sse2.UnpackLow(Vector128.CreateScalarUnsafe(*(ulong*)(rows[first] + at)), Vector128.CreateScalarUnsafe(*(ulong*)(rows[first + 1] + at))).AsByte();

    private static Vector512<byte> MakeOrder()
    {
        Span<byte> order = stackalloc byte[VectorBytes];
        for (var i = 0; i < VectorBytes; i++)
        {
            var (lane, row) = (i / RowsTogether, i % RowsTogether);
            order[i] = (byte)(TBits.Bits == 4 ? (16 * row) + lane : (8 * ((RowsTogether * (lane % 2)) + row)) + (lane / 2));
        }

        return Vector512.Create<byte>(order);
    }
}
