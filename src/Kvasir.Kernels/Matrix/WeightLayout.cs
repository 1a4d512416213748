namespace Kvasir.Kernels.Matrix;

/// <summary>How many elements and bytes the blocks of each <see cref="WeightType"/> hold.</summary>
public static class WeightLayout
{
    public static int BlockElements(WeightType type) => type switch
    {
        WeightType.F32 or WeightType.F16 or WeightType.BF16 => 1,
        WeightType.Q4_K or WeightType.Q5_K or WeightType.Q6_K => 256,
        _ => 32,
    };

    public static int BlockBytes(WeightType type) => type switch
    {
        WeightType.F32 => 4,
        WeightType.F16 or WeightType.BF16 => 2,
        WeightType.Q8_0 => 34,
        WeightType.Q4_0 => 18,
        WeightType.Q4_1 => 20,
        WeightType.Q5_0 => 22,
        WeightType.Q5_1 => 24,
        WeightType.Q4_K => 144,
        WeightType.Q5_K => 176,
        WeightType.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "unknown weight type"),
    };

    /// <summary>Bytes of one row; <paramref name="columns"/> is a multiple of the block.</summary>
    public static long RowBytes(WeightType type, int columns)
    {
        var blockElements = BlockElements(type);
        if (columns < 0 || columns % blockElements != 0)
            throw new ArgumentOutOfRangeException(nameof(columns), columns, $"not a multiple of {type}'s block of {blockElements}");
        return (long)(columns / blockElements) * BlockBytes(type);
    }
}
