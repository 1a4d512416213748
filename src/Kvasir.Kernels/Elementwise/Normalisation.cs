using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Elementwise;

/// <summary>The loops that norms of rows share, in every width: what is taken off, what remains is divided by its size, and weighed.</summary>
internal static class Normalisation
{
    public static Variant<RmsNormFunc>[] VariantsOf<T>()
        where T : struct, INormCentre =>
    [
        new("scalar", true, Wide<T, FloatLanes1, float>),
        new("128", Vector128.IsHardwareAccelerated, Wide<T, FloatLanes128, Vector128<float>>),
        new("256", Vector256.IsHardwareAccelerated, Wide<T, FloatLanes256, Vector256<float>>),
        new("512", Vector512.IsHardwareAccelerated, Wide<T, FloatLanes512, Vector512<float>>),
    ];

    /// <summary>y[i] = (x[i] - centre) / sqrt(mean of (x - centre)^2 + epsilon) * weight[i]. The three are equally long; y may be x.</summary>
    public static void Apply<T>(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
        where T : struct, INormCentre
    {
        if (Vector512.IsHardwareAccelerated)
            Wide<T, FloatLanes512, Vector512<float>>(x, weight, epsilon, y);
        else if (Vector256.IsHardwareAccelerated)
            Wide<T, FloatLanes256, Vector256<float>>(x, weight, epsilon, y);
        else if (Vector128.IsHardwareAccelerated)
            Wide<T, FloatLanes128, Vector128<float>>(x, weight, epsilon, y);
        else
            Wide<T, FloatLanes1, float>(x, weight, epsilon, y);
    }

    private static unsafe void Wide<T, TLanes, V>(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y)
        where T : struct, INormCentre
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        Lengths.RequireEqual(weight.Length, x.Length, nameof(weight));
        Lengths.RequireEqual(y.Length, x.Length, nameof(y));
        if (x.IsEmpty)
            return;
        var centre = T.Of<TLanes, V>(x);
        var factor = (float)(1 / Math.Sqrt(RowSums.Squares<T, TLanes, V>(x, centre) / x.Length + epsilon));
        fixed (float* px = x, pw = weight, py = y)
        {
            var (c, f) = (TLanes.Broadcast(centre), TLanes.Broadcast(factor));
            var i = 0;
            for (; i <= x.Length - TLanes.Count; i += TLanes.Count)
            {
                var distance = T.IsZero ? TLanes.Load(px + i) : TLanes.Subtract(TLanes.Load(px + i), c);
                TLanes.Store(TLanes.Multiply(TLanes.Multiply(distance, f), TLanes.Load(pw + i)), py + i);
            }

            for (; i < x.Length; i++)
                py[i] = (px[i] - centre) * factor * pw[i];
        }
    }
}

/// <summary>What a norm takes off each number of a row.</summary>
internal interface INormCentre
{
    /// <summary>Whether that is nothing, so that it need not be taken off.</summary>
    static abstract bool IsZero { get; }

    static abstract float Of<TLanes, V>(ReadOnlySpan<float> x)
        where TLanes : struct, IFloatLanes<V>
        where V : struct;
}
