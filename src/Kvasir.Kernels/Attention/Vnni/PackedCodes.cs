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

    // Rows behind, that are asked for meanwhile.
    private const int AheadRows = 2 * RowWindow.BlockRows;

    private static readonly int BlockBytes = RowBlocks.Elements * TBits.Bits / 8;
    private static readonly Vector512<byte> Order = MakeOrder();

    /// <summary>Bytes of the codes of 64 rows.</summary>
    public static int Bytes(int blockCount) => RowWindow.BlockRows * BlockBytes * blockCount;

    /// <summary>Where the sum of each element of a block stands among its [shifts, 16]; of 2 bits it is that and the next.</summary>
    public static int[] SumPlaces { get; } = [.. Enumerable.Range(0, RowBlocks.Elements).Select(SumAt)];

    /// <param name="rows">Addresses of 64 rows, and of those behind them.</param>
    /// <param name="from">Bytes from there to the plane that is read.</param>
    /// <param name="asks">Whether memory is asked for rows that lie two blocks behind.</param>
    /// <param name="codes">At a line of memory.</param>
    public static void Gather(byte** rows, nint from, bool asks, int blockCount, byte* codes)
    {
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

    private static int SumAt(int element)
    {
        var (word, shift) = TBits.Place(element);
        var lane = (sizeof(uint) * word) + (shift / 8);
        return (shift % 8 / TBits.Bits * 16) + (TBits.Bits == 4 ? lane : 2 * lane);
    }

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
