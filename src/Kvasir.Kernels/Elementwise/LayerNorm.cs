namespace Kvasir.Kernels.Elementwise;

/// <summary>Normalisation by mean and variance, without a bias.</summary>
public static class LayerNorm
{
    public static readonly Variant<RmsNormFunc>[] Variants = Normalisation.VariantsOf<Mean>();

    /// <summary>y[i] = (x[i] - mean of x) / sqrt(variance of x + epsilon) * weight[i]. The three are equally long; y may be x.</summary>
    public static void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, float epsilon, Span<float> y) =>
        Normalisation.Apply<Mean>(x, weight, epsilon, y);

    private readonly struct Mean : INormCentre
    {
        public static bool IsZero => false;

        public static float Of<TLanes, V>(ReadOnlySpan<float> x)
            where TLanes : struct, IFloatLanes<V>
            where V : struct => (float)(RowSums.Of<TLanes, V>(x) / x.Length);
    }
}
