using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

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
    private static Vector512<uint> Pairs(byte** rows, nint offset) => Vector512.Create(
        Vector256.Create(Four(rows, offset), Four(rows + 4, offset)), Vector256.Create(Four(rows + 8, offset), Four(rows + 12, offset)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Four(byte** rows, nint offset) => Vector128.Create(
        *(uint*)(rows[0] + offset), *(uint*)(rows[1] + offset), *(uint*)(rows[2] + offset), *(uint*)(rows[3] + offset));
}
