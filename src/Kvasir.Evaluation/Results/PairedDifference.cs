namespace Kvasir.Evaluation.Results;

/// <summary>
/// How far a policy is from dense attention on the same samples: the mean of differences and its 95% confidence interval by Student's t. What makes a
/// sample hard is in both numbers of a pair and cancels.
/// </summary>
/// <param name="Low">Null for less than two pairs, of which no interval can be known; so is <paramref name="High"/>.</param>
public readonly record struct PairedDifference(int PairCount, double Mean, double? Low, double? High)
{
    public const string Dense = "dense";

    // 97.5% points of Student's distribution for 1 to 9 degrees of freedom; beyond, a series in their reciprocal is exact to three decimals.
    private static readonly double[] FewDegrees = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622];

    /// <summary>Below 0 for certain, -1, above it, 1, or neither, 0.</summary>
    public int Direction => High < 0 ? -1 : Low > 0 ? 1 : 0;

    /// <summary>Half the interval's length; null for less than two pairs.</summary>
    public double? Margin => (High - Low) / 2;

    /// <summary>Null where there is nothing to compare.</summary>
    public static PairedDifference? Of(IReadOnlyList<double> differences)
    {
        if (differences.Count == 0)
            return null;
        var mean = differences.Average();
        if (differences.Count == 1)
            return new PairedDifference(1, mean, null, null);
        var variance = differences.Sum(difference => (difference - mean) * (difference - mean)) / (differences.Count - 1);
        var margin = StudentPoint(differences.Count - 1) * Math.Sqrt(variance / differences.Count);
        return new PairedDifference(differences.Count, mean, mean - margin, mean + margin);
    }

    /// <summary>
    /// The difference of a figure from dense attention's. Samples are paired when number, task, context, depth and protocol are the same; what has no
    /// partner, or no finite figure, is left out.
    /// </summary>
    /// <param name="samples">Of one policy.</param>
    /// <param name="dense">As <see cref="DenseSamples"/> finds them.</param>
    public static PairedDifference? FromDense(
        IEnumerable<EvaluatedSample> samples, IReadOnlyDictionary<SampleKey, EvaluatedSample> dense, Func<EvaluatedSample, double?> figure) =>
        Of([
            .. from sample in samples
               where dense.ContainsKey(SampleKey.Of(sample))
               let difference = figure(sample) - figure(dense[SampleKey.Of(sample)])
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

    /// <summary>What samples of a pair have in common.</summary>
    public readonly record struct SampleKey(string Task, int Context, Protocol Protocol, double? Depth, int Sample)
    {
        public static SampleKey Of(EvaluatedSample sample) => new(sample.Task, sample.Context, sample.Protocol, sample.Depth, sample.Sample);
    }

    private static double StudentPoint(int degrees)
    {
        if (degrees <= FewDegrees.Length)
            return FewDegrees[degrees - 1];
        const double z = 1.959964;
        var (z3, z5, z7) = (Math.Pow(z, 3), Math.Pow(z, 5), Math.Pow(z, 7));
        double n = degrees;
        return z + ((z3 + z) / (4 * n)) + (((5 * z5) + (16 * z3) + (3 * z)) / (96 * n * n)) + (((3 * z7) + (19 * z5) + (17 * z3) - (15 * z)) / (384 * n * n * n));
    }
}
