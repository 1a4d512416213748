namespace Kvasir.Evaluation.Results;

/// <summary>Puts samples together into points, in the order in which they first come. What is not a finite number counts as not measured.</summary>
public static class EvaluationPoints
{
    /// <summary>A point for each task, length, protocol and policy.</summary>
    public static IReadOnlyList<EvaluationPoint> ByTask(IReadOnlyList<EvaluatedSample> samples)
    {
        var dense = PairedDifference.DenseSamples(samples);
        return
        [
            .. samples.GroupBy(static sample => (sample.Task, sample.Context, sample.Protocol, sample.Policy))
                .Select(group => Point(group.Key.Task, [.. group], dense)),
        ];
    }

    /// <summary>A point for each length, protocol and policy: all tasks together.</summary>
    public static IReadOnlyList<EvaluationPoint> OverTasks(IReadOnlyList<EvaluatedSample> samples)
    {
        var dense = PairedDifference.DenseSamples(samples);
        return [.. samples.GroupBy(static sample => (sample.Context, sample.Protocol, sample.Policy)).Select(group => Point(null, [.. group], dense))];
    }

    private static EvaluationPoint Point(string? task, EvaluatedSample[] samples, IReadOnlyDictionary<SampleKey, EvaluatedSample> dense)
    {
        var isDense = samples[0].Policy == PairedDifference.Dense;
        var decodedTokens = samples.Sum(static sample => (long)sample.DecodedTokens);
        return new EvaluationPoint
        {
            Task = task,
            Context = samples[0].Context,
            Protocol = samples[0].Protocol,
            Policy = samples[0].Policy,
            SampleCount = samples.Length,
            Score = Mean(samples, static sample => sample.Score),
            Difference = isDense ? null : PairedDifference.FromDense(samples, dense, static sample => sample.Score),
            KeysRead = Mean(samples, static sample => sample.KeysRead),
            LayerKeysRead =
            [
                .. Enumerable.Range(0, samples.Max(static sample => sample.LayerKeysRead.Count))
                    .Select(layer => Mean(samples, sample => layer < sample.LayerKeysRead.Count ? sample.LayerKeysRead[layer] : null)),
            ],
            PromptMs = Mean(samples, static sample => sample.PromptMs),
            MsPerToken = decodedTokens > 0 ? Finite(samples.Sum(static sample => sample.DecodeMs) / decodedTokens) : null,
            BytesPerToken = decodedTokens > 0 ? Finite(samples.Sum(static sample => sample.BytesPerToken * sample.DecodedTokens) / decodedTokens) : null,
            Divergence = Mean(samples, static sample => sample.Divergence),
            Loss = Mean(samples, static sample => sample.Loss),
            LossDifference = isDense ? null : PairedDifference.FromDense(samples, dense, static sample => sample.Loss),
            MassKept = Mean(samples, static sample => sample.MassKept),
            OutputError = Mean(samples, static sample => sample.OutputError),
        };
    }

    private static double? Mean(EvaluatedSample[] samples, Func<EvaluatedSample, double?> figure)
    {
        var (sum, count) = (0.0, 0);
        foreach (var sample in samples)
        {
            if (figure(sample) is { } value && double.IsFinite(value))
                (sum, count) = (sum + value, count + 1);
        }

        return count > 0 ? sum / count : null;
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}
