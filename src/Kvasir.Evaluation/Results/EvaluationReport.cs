namespace Kvasir.Evaluation.Results;

/// <summary>An evaluation as a whole: what tables, files and pages are written from.</summary>
/// <param name="Partial">True where it was interrupted; what was measured until then is whole.</param>
/// <param name="Rows">A row for each task, length, protocol and policy.</param>
public sealed record EvaluationReport(EvaluationSettings Settings, bool? Partial, IReadOnlyList<ResultRow> Rows, IReadOnlyList<EvaluatedSample> Samples)
{
    /// <param name="samples">In any order; rows come in the order of their first sample.</param>
    /// <param name="partial">Whether samples are missing.</param>
    public static EvaluationReport Of(EvaluationSettings settings, IReadOnlyList<EvaluatedSample> samples, bool partial) =>
        new(settings, partial ? true : null, ResultRow.Table(samples), samples);

    /// <summary>On one line.</summary>
    public string Json() => ResultJson.Text(this);
}
