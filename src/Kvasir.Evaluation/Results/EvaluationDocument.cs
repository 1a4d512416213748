namespace Kvasir.Evaluation.Results;

/// <summary>An evaluation as it is written to JSON.</summary>
/// <param name="Overall">All tasks together.</param>
/// <param name="Tasks">Task by task.</param>
public sealed record EvaluationDocument(EvaluationSettings Settings, IReadOnlyList<EvaluationPoint> Overall, IReadOnlyList<EvaluationPoint> Tasks);
