using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>
/// Types that unpack to signed bytes: each block is unpacked once and multiplied with that of every row of the batch. What unpacks to unsigned bytes has the
/// panels; values up to 127 on both sides would not fit their 16 bits.
/// </summary>
internal static unsafe class SignedRows<TCodec>
    where TCodec : struct, ISignedCodec
{
    private const int Step = 32;

    public static bool IsSupported => Avx2.IsSupported;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in ProductArguments product)
    {
        Unsafe.SkipInit(out BlockParts parts);
        var scales = stackalloc Vector256<int>[TCodec.BlockElements / Step];
        for (var row = 0; row < product.RowCount; row++)
        {
            for (var b = 0; b < product.Batch; b++)
                product.ResultRow(b)[row] = 0;
            var weights = product.WeightRow(row);
            for (var block = 0; block < product.Columns / TCodec.BlockElements; block++, weights += TCodec.BlockBytes)
            {
                TCodec.SplitWide(weights, ref parts);
                for (var step = 0; step < TCodec.BlockElements / Step; step++)
                    scales[step] = Scales(parts, step);
                for (var b = 0; b < product.Batch; b++)
                    product.ResultRow(b)[row] += Block(parts, scales, product.ActivationRow(b), product.Columns, block);
            }
        }
    }

    // Two groups of 16 share a vector.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Scales(in BlockParts parts, int step) => TCodec.GroupElements == Step
        ? Vector256.Create((int)parts.Scales[step])
        : Vector256.Create(Vector128.Create((int)parts.Scales[2 * step]), Vector128.Create((int)parts.Scales[2 * step + 1]));

    // 8 steps of 4 products of 127 x 127 a lane, by scales below 32: 2^24.0 at most, exact in an int.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Block(in BlockParts parts, Vector256<int>* scales, byte* activations, int columns, int block)
    {
        var codes = (sbyte*)activations + block * TCodec.BlockElements;
        var sums = Vector256<int>.Zero;
        fixed (sbyte* weights = parts.Codes)
        {
            for (var step = 0; step < TCodec.BlockElements / Step; step++)
                sums += Avx2.MultiplyLow(Dots(weights + step * Step, codes + step * Step), scales[step]);
        }

        // Both kinds of activations begin with all codes and then all scales, one per block.
        var scale = ((float*)(activations + columns))[block];
        var scaled = (float)Vector256.Sum(sums);
        if (!TCodec.HasMinimum)
            return scale * (parts.Scale * scaled);
        var sums16 = new Q8Block256Row(activations, columns).Sums16 + block * Q8Block256Row.Sums16PerBlock;
        return scale * (parts.Scale * scaled - parts.Minimum * Minimums(parts, sums16));
    }

    // The sign moves to the activations, since one side has to be unsigned; 2 * 127 * 127 fits into 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dots(sbyte* weights, sbyte* activations)
    {
        var codes = Avx.LoadVector256(weights);
        var products = Avx2.MultiplyAddAdjacent(Avx2.Abs(codes), Avx2.Sign(Avx.LoadVector256(activations), codes));
        return Avx2.MultiplyAddAdjacent(products, Vector256<short>.One);
    }

    private static int Minimums(in BlockParts parts, short* sums)
    {
        fixed (short* minimums = parts.Minimums)
            return Vector256.Sum(Avx2.MultiplyAddAdjacent(Avx.LoadVector256(minimums), Avx.LoadVector256(sums)));
    }
}
