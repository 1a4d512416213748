using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix;

/// <summary>The reference decoding of stored weights, bit for bit as the formats define it. Embedding lookups use it.</summary>
public static unsafe class WeightRow
{
    /// <summary>Fills the destination, whole blocks long, from exactly the bytes that store so many elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The lengths do not match, or the elements are not whole blocks.</exception>
    public static void Decode(WeightType type, ReadOnlySpan<byte> row, Span<float> destination)
    {
        var bytes = WeightLayout.RowBytes(type, destination.Length);
        if (row.Length != bytes)
            throw new ArgumentOutOfRangeException(nameof(row), $"{destination.Length} elements of {type} take {bytes} bytes, not {row.Length}");

        fixed (byte* source = row)
        {
            switch (type)
            {
                case WeightType.F32: Read<F32Codec>(source, destination); break;
                case WeightType.F16: Read<F16Codec>(source, destination); break;
                case WeightType.BF16: Read<BF16Codec>(source, destination); break;
                case WeightType.Q8_0: Split<Q8_0Codec>(source, destination); break;
                case WeightType.Q4_0: Split<Q4_0Codec>(source, destination); break;
                case WeightType.Q4_1: Split<Q4_1Codec>(source, destination); break;
                case WeightType.Q5_0: Split<Q5_0Codec>(source, destination); break;
                case WeightType.Q5_1: Split<Q5_1Codec>(source, destination); break;
                case WeightType.Q4_K: Split<Q4_KCodec>(source, destination); break;
                case WeightType.Q5_K: Split<Q5_KCodec>(source, destination); break;
                case WeightType.Q6_K: Split<Q6_KCodec>(source, destination); break;
                case WeightType.Q2_K: Split<Q2_KCodec>(source, destination); break;
                case WeightType.Q3_K: Split<Q3_KCodec>(source, destination); break;
                case WeightType.IQ4_NL: Split<IQ4_NLCodec>(source, destination); break;
                case WeightType.IQ4_XS: Split<IQ4_XSCodec>(source, destination); break;
                case WeightType.MXFP4: Split<MXFP4Codec>(source, destination); break;
                default: throw WeightLayout.Unknown(type);
            }
        }
    }

    private static void Read<TCodec>(byte* source, Span<float> destination)
        where TCodec : struct, IFloatCodec
    {
        for (var i = 0; i < destination.Length; i++)
            destination[i] = TCodec.Read(source + (long)i * TCodec.ElementBytes);
    }

    [SkipLocalsInit]
    private static void Split<TCodec>(byte* source, Span<float> destination)
        where TCodec : struct, IQuantCodec
    {
        Unsafe.SkipInit(out BlockParts parts);
        for (var first = 0; first < destination.Length; first += TCodec.BlockElements, source += TCodec.BlockBytes)
        {
            TCodec.Split(source, ref parts);
            var block = destination.Slice(first, TCodec.BlockElements);
            for (var i = 0; i < block.Length; i++)
            {
                var group = i / TCodec.GroupElements;
                block[i] = parts.Scale * parts.Scales[group] * parts.Codes[i] - parts.Minimum * parts.Minimums[group];
            }
        }
    }
}
