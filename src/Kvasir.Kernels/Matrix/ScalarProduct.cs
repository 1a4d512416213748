using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix;

/// <summary>The reference: integer dot products exact in 32 bits, scales applied in single precision block by block.</summary>
internal static unsafe class ScalarProduct
{
    public static void Run(in ProductArguments product)
    {
        switch (product.Type)
        {
            case WeightType.F32: Floats<F32Codec>(product); break;
            case WeightType.F16: Floats<F16Codec>(product); break;
            case WeightType.BF16: Floats<BF16Codec>(product); break;
            case WeightType.Q8_0: Blocks<Q8_0Codec>(product); break;
            case WeightType.Q4_0: Blocks<Q4_0Codec>(product); break;
            case WeightType.Q4_1: Blocks<Q4_1Codec>(product); break;
            case WeightType.Q5_0: Blocks<Q5_0Codec>(product); break;
            case WeightType.Q5_1: Blocks<Q5_1Codec>(product); break;
            case WeightType.Q4_K: Blocks<Q4_KCodec>(product); break;
            case WeightType.Q5_K: Blocks<Q5_KCodec>(product); break;
            case WeightType.Q6_K: Blocks<Q6_KCodec>(product); break;
            case WeightType.Q2_K: Blocks<Q2_KCodec>(product); break;
            case WeightType.Q3_K: Blocks<Q3_KCodec>(product); break;
            case WeightType.IQ4_NL: Blocks<IQ4_NLCodec>(product); break;
            case WeightType.IQ4_XS: Blocks<IQ4_XSCodec>(product); break;
            case WeightType.MXFP4: Blocks<MXFP4Codec>(product); break;
            default: throw WeightLayout.Unknown(product.Type);
        }
    }

    private static void Floats<TCodec>(in ProductArguments product)
        where TCodec : struct, IFloatCodec
    {
        for (var row = 0; row < product.RowCount; row++)
        {
            var weights = product.WeightRow(row);
            for (var b = 0; b < product.Batch; b++)
            {
                var activations = (float*)product.ActivationRow(b);
                var sum = 0f;
                for (var i = 0; i < product.Columns; i++)
                    sum += TCodec.Read(weights + (long)i * TCodec.ElementBytes) * activations[i];
                product.ResultRow(b)[row] = sum;
            }
        }
    }

    [SkipLocalsInit]
    private static void Blocks<TCodec>(in ProductArguments product)
        where TCodec : struct, IQuantCodec
    {
        Unsafe.SkipInit(out BlockParts parts);
        for (var row = 0; row < product.RowCount; row++)
        {
            for (var b = 0; b < product.Batch; b++)
                product.ResultRow(b)[row] = 0;

            var weights = product.WeightRow(row);
            for (var block = 0; block < product.Columns / TCodec.BlockElements; block++)
            {
                TCodec.Split(weights + (long)block * TCodec.BlockBytes, ref parts);
                for (var b = 0; b < product.Batch; b++)
                    product.ResultRow(b)[row] += Block<TCodec>(parts, product.ActivationRow(b), product.Columns, block);
            }
        }
    }

    private static float Block<TCodec>(in BlockParts parts, byte* activations, int columns, int block)
        where TCodec : struct, IQuantCodec
    {
        // Both activation kinds begin with all codes and then all scales, one per block.
        var scale = ((float*)(activations + columns))[block];
        var codes = (sbyte*)activations + block * TCodec.BlockElements;
        var (scaled, minimums) = (0, 0);
        for (var group = 0; group < TCodec.BlockElements / TCodec.GroupElements; group++)
        {
            var (dot, sum) = (0, 0);
            for (var i = group * TCodec.GroupElements; i < (group + 1) * TCodec.GroupElements; i++)
            {
                dot += parts.Codes[i] * codes[i];
                sum += codes[i];
            }

            scaled += parts.Scales[group] * dot;
            minimums += parts.Minimums[group] * sum;
        }

        return scale * (parts.Scale * scaled - parts.Minimum * minimums);
    }
}
