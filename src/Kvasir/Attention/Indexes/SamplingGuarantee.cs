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

/// <summary>Quantiles of sampling distributions, by formulas that are good to a few per cent, as the assumption of normal sums is.</summary>
internal static class Quantiles
{
    /// <summary>What a standard normal number exceeds with probability <paramref name="tail"/>: Hastings, to 4.5e-4.</summary>
    /// <param name="tail">Above 0 and at most 0.5.</param>
    public static double Normal(double tail)
    {
        var t = Math.Sqrt(-2 * Math.Log(tail));
        return Math.Max(0, t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    }

    /// <summary>
    /// What the mean square of <paramref name="dimensions"/> normal errors, over an estimate of their variance, exceeds with the probability that belongs to
    /// <paramref name="normal"/>: Fisher's F by Paulson's formula. Infinity where that has no answer.
    /// </summary>
    /// <param name="normal">The normal quantile of the same probability.</param>
    /// <param name="dimensions">At least 1; need not be whole.</param>
    /// <param name="freedom">Degrees of freedom of the estimate, at least 1.</param>
    public static double Fisher(double normal, double dimensions, double freedom)
    {
        var (a, b, z) = (2 / (9 * dimensions), 2 / (9 * freedom), normal * normal);
        var divisor = (1 - b) * (1 - b) - z * b;
        if (divisor <= 0)
            return double.PositiveInfinity;
        var root = Math.Sqrt(Math.Max(0, a * (1 - b) * (1 - b) + b * (1 - a) * (1 - a) - a * b * z));
        return Math.Pow(((1 - a) * (1 - b) + normal * root) / divisor, 3);
    }
}
