namespace Kvasir.Evaluation.Results;

/// <summary>The samples of one task and length under one protocol and policy, taken together: means, unless said otherwise.</summary>
public sealed record ResultRow
{
    private const string Reference = "dense";

    public required string Task { get; init; }

    /// <summary>Tokens that were asked for.</summary>
    public required int Context { get; init; }

    public required Protocol Protocol { get; init; }

    public required string Policy { get; init; }

    public required int Samples { get; init; }

    /// <summary>In 0 to 1.</summary>
    public required double Score { get; init; }

    /// <summary>From dense attention's score, over the samples that both have; null for dense attention itself.</summary>
    public PairedDifference? Difference { get; init; }

    /// <summary>As a share, 1 is dense.</summary>
    public required double KeysRead { get; init; }

    /// <summary>Milliseconds of a prompt.</summary>
    public required double PromptMs { get; init; }

    /// <summary>Milliseconds under the policy, of all samples together by all of their tokens; null where there was no token.</summary>
    public double? MsPerToken { get; init; }

    /// <summary>Bytes of keys, values and index, likewise.</summary>
    public double? BytesPerToken { get; init; }

    /// <summary>Over the samples that have it, as are the following; null where none has.</summary>
    public double? MassKept { get; init; }

    public double? OutputError { get; init; }

    /// <summary>Nats a token.</summary>
    public double? Divergence { get; init; }

    /// <summary>Nats a token.</summary>
    public double? Loss { get; init; }

    /// <summary>The rows of samples, in the order of their first samples.</summary>
    public static IReadOnlyList<ResultRow> Table(IReadOnlyList<EvaluatedSample> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        var references = samples.Where(static sample => sample.Policy == Reference)
            .ToDictionary(static sample => (sample.Task, sample.Context, sample.Protocol, sample.Sample), static sample => sample.Score);
        return [.. samples.GroupBy(static sample => (sample.Task, sample.Context, sample.Protocol, sample.Policy)).Select(row => Of([.. row], references))];
    }

    private static ResultRow Of(EvaluatedSample[] samples, Dictionary<(string, int, Protocol, int), double> references)
    {
        var (first, tokens) = (samples[0], samples.Sum(static sample => (double)sample.DecodedTokens));
        (double, double)[] pairs = first.Policy == Reference ? [] :
        [
            .. from sample in samples
               where references.ContainsKey((sample.Task, sample.Context, sample.Protocol, sample.Sample))
               select (sample.Score, references[(sample.Task, sample.Context, sample.Protocol, sample.Sample)]),
        ];
        return new ResultRow
        {
            Task = first.Task,
            Context = first.Context,
            Protocol = first.Protocol,
            Policy = first.Policy,
            Samples = samples.Length,
            Score = samples.Average(static sample => sample.Score),
            Difference = pairs.Length == 0 ? null : PairedDifference.Of(pairs),
            KeysRead = samples.Average(static sample => sample.KeysRead),
            PromptMs = samples.Average(static sample => sample.PromptMs),
            MsPerToken = tokens == 0 ? null : samples.Sum(static sample => sample.DecodeMs) / tokens,
            BytesPerToken = tokens == 0 ? null : samples.Sum(static sample => sample.BytesPerToken * sample.DecodedTokens) / tokens,
            MassKept = samples.Average(static sample => sample.MassKept),
            OutputError = samples.Average(static sample => sample.OutputError),
            Divergence = samples.Average(static sample => sample.Divergence),
            Loss = samples.Average(static sample => sample.Loss),
        };
    }
}
