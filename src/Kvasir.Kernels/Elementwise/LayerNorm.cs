using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>Normalisation by mean and variance, without a bias.</summary>
public static class LayerNorm
{
    // As in RmsNorm: sums in f32 within a block and in f64 between blocks.
    private const int BlockElements = 256;

    public static readonly Variant<RmsNormFunc>[] Variants =
    [
        new("scalar", true, Wide<FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<FloatLanes512, Vector512<float>>),
    ];

    /// <summary>y[i] = (x[i] - mean of x) / sqrt(variance of x + epsilon) * weight[i]. The three are equally long; y may be x.</summary>
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
        var sum = 0.0;
        for (var start = 0; start < x.Length; start += BlockElements)
            sum += VectorLoops<TLanes, V>.Sum(x.Slice(start, Math.Min(BlockElements, x.Length - start)));
        if (!double.IsFinite(sum))
            sum = SumsInDoubles.Sum(x);
        var mean = (float)(sum / x.Length);
        var factor = (float)(1 / Math.Sqrt(Variance<TLanes, V>(x, mean) + epsilon));
        fixed (float* px = x, pw = weight, py = y)
        {
            var (m, f) = (TLanes.Broadcast(mean), TLanes.Broadcast(factor));
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
                TLanes.Store(TLanes.Multiply(TLanes.Multiply(TLanes.Subtract(TLanes.Load(px + i), m), f), TLanes.Load(pw + i)), py + i);
            for (; i < x.Length; i++)
                py[i] = (px[i] - mean) * factor * pw[i];
        }
    }

    private static unsafe double Variance<TLanes, V>(ReadOnlySpan<float> x, float mean)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        var squares = 0.0;
        fixed (float* px = x)
        {
            var m = TLanes.Broadcast(mean);
            for (var start = 0; start < x.Length; start += BlockElements)
            {
                var (i, end, block) = (start, Math.Min(start + BlockElements, x.Length), TLanes.Broadcast(0));
                for (; i <= end - TLanes.Count; i += TLanes.Count)
                {
                    var d = TLanes.Subtract(TLanes.Load(px + i), m);
                    block = TLanes.MultiplyAdd(d, d, block);
                }

                squares += TLanes.Sum(block);
                for (; i < end; i++)
                    squares += (px[i] - mean) * (px[i] - mean);
            }
        }

        if (!double.IsFinite(squares))
            squares = SumsInDoubles.Squares(x, mean);
        return squares / x.Length;
    }
}
