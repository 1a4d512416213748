namespace Kvasir.Evaluation.Results;

/// <summary>Which sample under which policy: no two results of a plan share one.</summary>
/// <param name="Context">Tokens that were asked for.</param>
/// <param name="Sample">Counts from 0.</param>
public readonly record struct SampleKey(string Task, int Context, Protocol Protocol, string Policy, int Sample)
{
    public static SampleKey Of(EvaluatedSample sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return new SampleKey(sample.Task, sample.Context, sample.Protocol, sample.Policy, sample.Sample);
    }
}
