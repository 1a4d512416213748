namespace Kvasir.Evaluation.Results;

/// <summary>
/// How far a policy is from dense attention on the same samples: the mean of differences and its 95% confidence interval by Student's t. What makes a
/// sample hard is in both numbers of a pair and cancels.
/// </summary>
/// <param name="Low">
/// Null where no interval is known: for less than two pairs, and for less than ten whose differences are all the same, as the interval would have no width
/// and claim to be certain. So is <paramref name="High"/>.
/// </param>
public readonly record struct PairedDifference(int PairCount, double Mean, double? Low, double? High)
{
    public const string Dense = "dense";

    private const double Confidence = 0.95;

    // So many equal differences tell little of those that would follow.
    private const int FewPairs = 10;
    private const double Rounding = 1e-12;

    /// <summary>Below 0 for certain, -1, above it, 1, or neither, 0.</summary>
    public int Direction => High < 0 ? -1 : Low > 0 ? 1 : 0;

    /// <summary>Half the interval's length; null where there is none.</summary>
    public double? Margin => (High - Low) / 2;

    /// <summary>Null where there is nothing to compare.</summary>
    public static PairedDifference? Of(IReadOnlyList<double> differences)
    {
        if (differences.Count == 0)
            return null;
        var mean = differences.Average();
        var isEven = differences.Max() - differences.Min() <= Rounding;
        if (differences.Count == 1 || (isEven && differences.Count < FewPairs))
            return new PairedDifference(differences.Count, mean, null, null);
        var variance = differences.Sum(difference => (difference - mean) * (difference - mean)) / (differences.Count - 1);
        var margin = StudentT.Quantile(Confidence, differences.Count - 1) * Math.Sqrt(variance / differences.Count);
        return new PairedDifference(differences.Count, mean, mean - margin, mean + margin);
    }

    /// <summary>
    /// The difference of a figure from dense attention's. Samples are paired when all of their keys but the policy is the same; what has no partner, or no
    /// finite figure, is left out.
    /// </summary>
    /// <param name="samples">Of one policy.</param>
    /// <param name="dense">As <see cref="DenseSamples"/> finds them.</param>
    public static PairedDifference? FromDense(
        IEnumerable<EvaluatedSample> samples, IReadOnlyDictionary<SampleKey, EvaluatedSample> dense, Func<EvaluatedSample, double?> figure) =>
        Of([
            .. from sample in samples
               let key = SampleKey.Of(sample) with { Policy = Dense }
               where dense.ContainsKey(key)
               let difference = figure(sample) - figure(dense[key])
               where difference is { } value && double.IsFinite(value)
               select difference.Value,
        ]);

    public static IReadOnlyDictionary<SampleKey, EvaluatedSample> DenseSamples(IEnumerable<EvaluatedSample> samples)
    {
        var dense = new Dictionary<SampleKey, EvaluatedSample>();
        foreach (var sample in samples.Where(static sample => sample.Policy == Dense))
            dense[SampleKey.Of(sample)] = sample;
        return dense;
    }
}
