using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>The scales of up to 64 q8 rows, side by side.</summary>
internal static unsafe class RowScales
{
    private const int Lanes = 16;

    // Strides of heads of up to 64 elements, and of up to 128: one or two pairs for the key, and as many for the value.
    private const int OfOnePair = 2 * sizeof(uint);
    private const int OfTwoPairs = 4 * sizeof(uint);

    /// <summary>scales[block, 64]: of every row in steps of 16.</summary>
    /// <param name="rows">Addresses of the rows' scales, as many as <paramref name="rowCount"/> rounded up to 16.</param>
    /// <param name="rowCount">At most 64.</param>
    /// <param name="stride">From one row's scales to the next's, where rows follow each other but for the ends of pages; 0 where they lie anywhere.</param>
    /// <param name="blockCount">Blocks in a row.</param>
    /// <param name="scales">Room for an even number of blocks.</param>
    public static void Widen(byte** rows, int rowCount, nint stride, int blockCount, float* scales)
    {
        nint end = (blockCount + 1) / 2 * sizeof(uint);
        for (var r = 0; r < rowCount; r += Lanes)
        {
            var destination = scales + r;
            var isRun = stride > 0 && rows[r + Lanes - 1] - rows[r] == (Lanes - 1) * stride;
            if (isRun && stride == OfTwoPairs && end == OfTwoPairs)
            {
                WidenAll((uint*)rows[r], destination);
                continue;
            }

            for (nint at = 0; at < end; at += sizeof(uint), destination += 2 * RowWindow.BlockRows)
            {
                var pairs = (isRun ? stride : 0) switch
                {
                    OfOnePair => EveryOther(rows[r] + at),
                    OfTwoPairs => EveryFourth(rows[r] + at),
                    _ => Pairs(rows + r, at),
                };
                Store(pairs, destination);
            }
        }
    }

    // All that lies between the first row and the end of the sixteenth.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WidenAll(uint* pairs, float* scales)
    {
        var order = Vector512.Create(0u, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
        var next = order + Vector512.Create(2u);
        var (a, b) = (Vector512.Load(pairs), Vector512.Load(pairs + Lanes));
        var (c, d) = (Vector512.Load(pairs + (2 * Lanes)), Vector512.Load(pairs + (3 * Lanes)));
        var (first, second) = (Avx512F.PermuteVar16x32x2(a, order, b), Avx512F.PermuteVar16x32x2(c, order, d));
        var (third, fourth) = (Avx512F.PermuteVar16x32x2(a, next, b), Avx512F.PermuteVar16x32x2(c, next, d));
        Store(Avx512F.Shuffle4x128(first, second, 0b01_00_01_00), scales);
        Store(Avx512F.Shuffle4x128(first, second, 0b11_10_11_10), scales + (2 * RowWindow.BlockRows));
        Store(Avx512F.Shuffle4x128(third, fourth, 0b01_00_01_00), scales + (4 * RowWindow.BlockRows));
        Store(Avx512F.Shuffle4x128(third, fourth, 0b11_10_11_10), scales + (6 * RowWindow.BlockRows));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<uint> pairs, float* scales)
    {
        Vector512.ShiftLeft(pairs, 16).AsSingle().Store(scales);
        (pairs & Vector512.Create(0xFFFF0000)).AsSingle().Store(scales + RowWindow.BlockRows);
    }

    // Values' codes follow the scales in a page, so that a reading may go a little beyond them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> EveryOther(byte* first)
    {
        var order = Vector512.Create(0u, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        return Avx512F.PermuteVar16x32x2(Vector512.Load((uint*)first), order, Vector512.Load((uint*)first + Lanes));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> EveryFourth(byte* first)
    {
        var numbers = (uint*)first;
        var order = Vector512.Create(0u, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
        var lower = Avx512F.PermuteVar16x32x2(Vector512.Load(numbers), order, Vector512.Load(numbers + Lanes));
        var upper = Avx512F.PermuteVar16x32x2(Vector512.Load(numbers + 2 * Lanes), order, Vector512.Load(numbers + 3 * Lanes));
        return Vector512.Create(lower.GetLower(), upper.GetLower());
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
