using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Q8_0 and a batch of a few rows: unpacking a panel costs more than it saves, so each block is multiplied where it lies. One decode
/// step of a 1B model takes 0.79 of the panels' time (2 threads, Ice Lake). For nibbles the panels are as fast.
/// </summary>
internal static unsafe class ByteRows
{
    /// <summary>Above this a panel, unpacked once for all rows of the batch, is cheaper.</summary>
    public const int LargestBatch = 3;

    private const int Block = Q8Block32Row.BlockElements;
    private const int ScaleBlocks = 8;

    public static bool IsSupported => Avx2.IsSupported && Fma.IsSupported;

    private static int BlockBytes => Q8_0Codec.BlockBytes;

    public static void Run(in ProductArguments product)
    {
        for (var row = 0; row < product.RowCount; row++)
        {
            for (var b = 0; b < product.Batch; b++)
                product.ResultRow(b)[row] = Dot(product.WeightRow(row), new Q8Block32Row(product.ActivationRow(b), product.Columns), product.Columns / Block);
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot(byte* weights, Q8Block32Row row, int blocks)
    {
        var scales = stackalloc float[ScaleBlocks];
        var codes = row.Codes;
        var rowScales = row.Scales;
        var (even, odd) = (Vector256<float>.Zero, Vector256<float>.Zero);
        var block = 0;
        for (; block + ScaleBlocks <= blocks; block += ScaleBlocks)
        {
            Avx.Multiply(Scales(weights), Avx.LoadVector256(rowScales + block)).Store(scales);
            for (var i = 0; i < ScaleBlocks; i += 2)
            {
                even = Fma.MultiplyAdd(Sums(weights, codes), Avx.BroadcastScalarToVector256(scales + i), even);
                odd = Fma.MultiplyAdd(Sums(weights + BlockBytes, codes + Block), Avx.BroadcastScalarToVector256(scales + i + 1), odd);
                weights += 2 * BlockBytes;
                codes += 2 * Block;
            }
        }

        var sum = Vector256.Sum(Avx.Add(even, odd));
        for (; block < blocks; block++, weights += BlockBytes, codes += Block)
            sum += HalfFloat.Read(weights) * rowScales[block] * Vector256.Sum(Sums(weights, codes));
        return sum;
    }

    // The sign moves to the activations, since one side has to be unsigned; 2 * 128 * 127 fits into 16 bits. The eight sums are
    // integers below 2^24, and so exact.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Sums(byte* block, sbyte* activations)
    {
        var codes = Avx.LoadVector256((sbyte*)block + HalfFloat.Bytes);
        var products = Avx2.MultiplyAddAdjacent(Avx2.Abs(codes), Avx2.Sign(Avx.LoadVector256(activations), codes));
        return Avx.ConvertToVector256Single(Avx2.MultiplyAddAdjacent(products, Vector256<short>.One));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scales(byte* block)
    {
        var halves = Vector128.Create(
            Half(block, 0), Half(block, 1), Half(block, 2), Half(block, 3), Half(block, 4), Half(block, 5), Half(block, 6), Half(block, 7));
        return LaneHalves<WordLanes256, Vector256<int>>.ToFloat(Avx2.ConvertToVector256Int32(halves)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort Half(byte* block, int index) => Unsafe.ReadUnaligned<ushort>(block + index * BlockBytes);
}
