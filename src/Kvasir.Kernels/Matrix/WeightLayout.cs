using Kvasir.Kernels.Matrix.Codecs;

namespace Kvasir.Kernels.Matrix;

/// <summary>The sizes of every weight type's blocks. A type without blocks has blocks of one element.</summary>
public static class WeightLayout
{
    /// <exception cref="ArgumentOutOfRangeException">The type is not one of <see cref="WeightType"/>'s.</exception>
    public static int BlockElements(WeightType type) => type switch
    {
        WeightType.F32 or WeightType.F16 or WeightType.BF16 => 1,
        WeightType.Q8_0 => Q8_0Codec.BlockElements,
        WeightType.Q4_0 => Q4_0Codec.BlockElements,
        WeightType.Q4_1 => Q4_1Codec.BlockElements,
        WeightType.Q5_0 => Q5_0Codec.BlockElements,
        WeightType.Q5_1 => Q5_1Codec.BlockElements,
        WeightType.Q4_K => Q4_KCodec.BlockElements,
        WeightType.Q5_K => Q5_KCodec.BlockElements,
        WeightType.Q6_K => Q6_KCodec.BlockElements,
        WeightType.Q2_K => Q2_KCodec.BlockElements,
        WeightType.Q3_K => Q3_KCodec.BlockElements,
        WeightType.IQ4_NL => IQ4_NLCodec.BlockElements,
        WeightType.IQ4_XS => IQ4_XSCodec.BlockElements,
        WeightType.MXFP4 => MXFP4Codec.BlockElements,
        _ => throw Unknown(type),
    };

    /// <exception cref="ArgumentOutOfRangeException">The type is not one of <see cref="WeightType"/>'s.</exception>
    public static int BlockBytes(WeightType type) => type switch
    {
        WeightType.F32 => F32Codec.ElementBytes,
        WeightType.F16 => F16Codec.ElementBytes,
        WeightType.BF16 => BF16Codec.ElementBytes,
        WeightType.Q8_0 => Q8_0Codec.BlockBytes,
        WeightType.Q4_0 => Q4_0Codec.BlockBytes,
        WeightType.Q4_1 => Q4_1Codec.BlockBytes,
        WeightType.Q5_0 => Q5_0Codec.BlockBytes,
        WeightType.Q5_1 => Q5_1Codec.BlockBytes,
        WeightType.Q4_K => Q4_KCodec.BlockBytes,
        WeightType.Q5_K => Q5_KCodec.BlockBytes,
        WeightType.Q6_K => Q6_KCodec.BlockBytes,
        WeightType.Q2_K => Q2_KCodec.BlockBytes,
        WeightType.Q3_K => Q3_KCodec.BlockBytes,
        WeightType.IQ4_NL => IQ4_NLCodec.BlockBytes,
        WeightType.IQ4_XS => IQ4_XSCodec.BlockBytes,
        WeightType.MXFP4 => MXFP4Codec.BlockBytes,
        _ => throw Unknown(type),
    };

    /// <summary>Bytes of a row of <paramref name="columns"/> elements.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The columns are negative or not whole blocks.</exception>
    public static long RowBytes(WeightType type, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        var elements = BlockElements(type);
        if (columns % elements != 0)
            throw new ArgumentOutOfRangeException(nameof(columns), $"{columns} columns are not whole {type} blocks of {elements}");
        return (long)columns / elements * BlockBytes(type);
    }

    internal static ArgumentOutOfRangeException Unknown(WeightType type) => new(nameof(type), $"{type} is not a weight type");
}
