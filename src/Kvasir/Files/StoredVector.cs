using Kvasir.Kernels.Matrix;

namespace Kvasir.Files;

/// <summary>Decodes norms, biases and other short vectors, which are kept as floats.</summary>
internal static class StoredVector
{
    /// <exception cref="KvasirException">The shape is not [<paramref name="count"/>], the type is quantised, or an element is NaN or infinite.</exception>
    public static float[] Decode(StoredTensor stored, int count)
    {
        if (!stored.HasShape(count))
            throw Bad(stored, $"has the shape {MessageText.Shape(stored.Shape)}; [{count}] was expected");
        var values = new float[count];
        switch (stored.Type)
        {
            case WeightType.F32:
                stored.View.Span<float>(0, count).CopyTo(values);
                break;
            case WeightType.F16:
                Widen(stored.View.Span<Half>(0, count), values);
                break;
            case WeightType.BF16:
                Widen(stored.View.Span<ushort>(0, count), values);
                break;
            default:
                throw Bad(stored, $"is a vector of {stored.Type}; F32, F16 and BF16 are supported");
        }

        for (var i = 0; i < count; i++)
        {
            if (!float.IsFinite(values[i]))
                throw Bad(stored, $"holds {values[i]} at index {i}");
        }

        return values;
    }

    private static void Widen(ReadOnlySpan<Half> from, Span<float> to)
    {
        for (var i = 0; i < to.Length; i++)
            to[i] = (float)from[i];
    }

    // BF16 is the upper half of a float.
    private static void Widen(ReadOnlySpan<ushort> from, Span<float> to)
    {
        for (var i = 0; i < to.Length; i++)
            to[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
    }

    private static KvasirException Bad(StoredTensor stored, string problem) =>
        new(KvasirError.BadFile, $"{stored.File}: tensor {MessageText.Name(stored.Name)} {problem}");
}
