namespace Kvasir.Kernels.Elementwise;

public delegate void RmsNormFunc(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y);

/// <summary>Normalisation by the root of the mean square.</summary>
public static class RmsNorm
{
    public static readonly Variant<RmsNormFunc>[] Variants = Normalisation.VariantsOf<Nothing>();

    /// <summary>y[i] = x[i] / sqrt(mean of x^2 + epsilon) * weight[i]. The three are equally long; y may be x.</summary>
    public static void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y) =>
        Normalisation.Apply<Nothing>(x, weight, epsilon, y);

    private readonly struct Nothing : INormCentre
    {
        public static bool IsZero => true;

        public static float Of<TLanes, V>(ReadOnlySpan<float> x)
            where TLanes : struct, IFloatLanes<V>
            where V : struct => 0;
    }
}
