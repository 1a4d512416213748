using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>The scales of up to 64 q8 rows, side by side.</summary>
internal static unsafe class RowScales
{
    private const int Lanes = 16;

    /// <summary>scales[block, 64]: of every row in steps of 16.</summary>
    /// <param name="rows">Addresses, as many as <paramref name="rowCount"/> rounded up to 16.</param>
    /// <param name="rowCount">At most 64.</param>
    /// <param name="blockCount">Blocks in a row.</param>
    /// <param name="scales">Room for an even number of blocks.</param>
    public static void Widen(byte** rows, int rowCount, int blockCount, float* scales)
    {
        nint end = (blockCount + 1) / 2 * sizeof(uint);
        for (var r = 0; r < rowCount; r += Lanes)
        {
            var destination = scales + r;
            for (nint at = 0; at < end; at += sizeof(uint), destination += 2 * RowWindow.BlockRows)
            {
                var pairs = Pairs(rows + r, at + (nint)blockCount * KvCodecs.BlockElements);
                Vector512.ShiftLeft(pairs, 16).AsSingle().Store(destination);
                (pairs & Vector512.Create(0xFFFF0000)).AsSingle().Store(destination + RowWindow.BlockRows);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Pairs(byte** rows, nint offset) => Vector512.Create(Eight(rows, offset), Eight(rows + 8, offset));

    // A broadcast from memory is a load and no more, and a blend runs on either port where an insertion has only one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Eight(byte** rows, nint offset)
    {
        var (even, odd) = (Pair(rows[0], offset), Pair(rows[1], offset));
        even = Avx2.Blend(even, Pair(rows[2], offset), 1 << 2);
        odd = Avx2.Blend(odd, Pair(rows[3], offset), 1 << 3);
        even = Avx2.Blend(even, Pair(rows[4], offset), 1 << 4);
        odd = Avx2.Blend(odd, Pair(rows[5], offset), 1 << 5);
        even = Avx2.Blend(even, Pair(rows[6], offset), 1 << 6);
        odd = Avx2.Blend(odd, Pair(rows[7], offset), 1 << 7);
        return Avx2.Blend(even, odd, 0b10101010);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Pair(byte* row, nint offset) => Avx2.BroadcastScalarToVector256((uint*)(row + offset));
}
