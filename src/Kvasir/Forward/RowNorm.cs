using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>The norm of a model: the same for rows of the residual stream and for heads, only the weights differ.</summary>
internal readonly record struct RowNorm(NormKind Kind, float Epsilon)
{
    /// <summary>The three are equally long, but weights that biases follow; y may be x.</summary>
    public void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, Span<float> y)
    {
        if (Kind == NormKind.RootMeanSquare)
            RmsNorm.Apply(x, weight, Epsilon, y);
        else
            LayerNorm.Apply(x, weight[..x.Length], Epsilon, y);
        if (Kind == NormKind.MeanAndVarianceWithBias)
            VectorMath.Add(weight[x.Length..], y);
    }
}
