namespace Kvasir.Attention.Indexes;

/// <summary>That the denominator and the numerator of softmax are each off by more than a part of themselves only rarely.</summary>
internal sealed class SamplingGuarantee(float epsilon, float delta)
{
    // Both have to keep to it, so each may fail half as often.
    private readonly double _normal = Quantiles.Normal(delta / 2);

    /// <summary>The part.</summary>
    public float Epsilon => epsilon;

    /// <summary>How many times the mean square error a squared error may be, rarely.</summary>
    /// <param name="dimensions">In which the error scatters.</param>
    /// <param name="freedom">Degrees of freedom of the estimate of the mean square error.</param>
    public double Factor(double dimensions, double freedom) => Quantiles.Fisher(_normal, dimensions, freedom);
}
