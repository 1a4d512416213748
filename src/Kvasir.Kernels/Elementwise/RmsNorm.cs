using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

public delegate void RmsNormFunc(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y);

/// <summary>Normalisation by the root of the mean square.</summary>
public static class RmsNorm
{
    // Squares are added in f32 within a block and in f64 between blocks: the error does not grow with the width.
    private const int BlockElements = 256;

    public static readonly Variant<RmsNormFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>y[i] = x[i] / sqrt(mean of x^2 + epsilon) * weight[i]. The three are equally long; y may be x.</summary>
    public static void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<FloatLanes512, Vector512<float>>(x, weight, epsilon, y);
        else if (Vector256.IsHardwareAccelerated)
            Wide<FloatLanes256, Vector256<float>>(x, weight, epsilon, y);
        else if (Vector128.IsHardwareAccelerated)
            Wide<FloatLanes128, Vector128<float>>(x, weight, epsilon, y);
        else
            Wide<FloatLanes1, float>(x, weight, epsilon, y);
    }

    private static unsafe void Wide<TLanes, V>(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireEqual(weight.Length, x.Length, nameof(weight));
        Lengths.RequireEqual(y.Length, x.Length, nameof(y));
        if (x.IsEmpty)
            return;
        var squares = 0.0;
        for (var start = 0; start < x.Length; start += BlockElements)
        {
            var block = x.Slice(start, Math.Min(BlockElements, x.Length - start));
            squares += VectorLoops<TLanes, V>.Dot(block, block);
        }

        if (!double.IsFinite(squares))
            squares = SumsInDoubles.Squares(x, mean: 0);
        var factor = (float)(1 / Math.Sqrt(squares / x.Length + epsilon));
        fixed (float* px = x, pw = weight, py = y)
        {
            var f = TLanes.Broadcast(factor);
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Multiply(TLanes.Multiply(TLanes.Load(px + i), f), TLanes.Load(pw + i)), py + i);
            for (; i < x.Length; i++)
                py[i] = px[i] * factor * pw[i];
        }
    }
}
