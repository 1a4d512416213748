namespace Kvasir.Evaluation.Results;

/// <summary>An evaluation as a whole, as it is written to JSON.</summary>
/// <param name="Partial">True where it was interrupted; what was measured until then is whole.</param>
/// <param name="Overall">All tasks together.</param>
/// <param name="Tasks">Task by task.</param>
public sealed record EvaluationDocument(
    EvaluationSettings Settings, bool? Partial, IReadOnlyList<EvaluationPoint> Overall,
    IReadOnlyList<EvaluationPoint> Tasks, IReadOnlyList<EvaluatedSample> Samples)
{
    /// <param name="samples">In any order; points come in the order of their first samples.</param>
    /// <param name="partial">Whether samples are missing.</param>
    public static EvaluationDocument Of(EvaluationSettings settings, IReadOnlyList<EvaluatedSample> samples, bool partial) =>
        new(settings, partial ? true : null, EvaluationPoints.OverTasks(samples), EvaluationPoints.ByTask(samples), samples);
}
