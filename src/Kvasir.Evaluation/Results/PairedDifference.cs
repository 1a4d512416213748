namespace Kvasir.Evaluation.Results;

/// <summary>How much better, or worse, one policy does than another on the same samples.</summary>
/// <param name="Mean">Of the differences.</param>
/// <param name="Low">Lower end of the 95 % confidence interval by Student's t of the differences; null for fewer than two samples, as is <paramref name="High"/>.</param>
/// <param name="High">Its upper end.</param>
/// <param name="Samples">Pairs.</param>
public sealed record PairedDifference(double Mean, double? Low, double? High, int Samples)
{
    private const double Confidence = 0.95;

    /// <param name="pairs">At least one: the score, and the reference's on the same sample.</param>
    public static PairedDifference Of(IReadOnlyList<(double Score, double Reference)> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentOutOfRangeException.ThrowIfZero(pairs.Count);
        var mean = pairs.Average(static pair => pair.Score - pair.Reference);
        if (pairs.Count == 1)
            return new PairedDifference(mean, null, null, 1);
        var squares = pairs.Sum(pair => Math.Pow(pair.Score - pair.Reference - mean, 2));
        var half = StudentT.Quantile(Confidence, pairs.Count - 1) * Math.Sqrt(squares / (pairs.Count - 1) / pairs.Count);
        return new PairedDifference(mean, mean - half, mean + half, pairs.Count);
    }
}
