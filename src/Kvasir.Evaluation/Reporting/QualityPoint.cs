using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>An <see cref="EvaluationPoint"/> where a plot shows it.</summary>
/// <param name="Quality">A score, or a difference from dense attention's.</param>
/// <param name="Low">Of the confidence interval; null where there is none, as for dense attention itself.</param>
internal sealed record QualityPoint(EvaluationPoint Source, double Quality, double? Low, double? High)
{
    /// <summary>
    /// Dense attention's score plus the paired difference, which equals the score where the policy has all samples; null where there is no score.
    /// </summary>
    /// <param name="denseScore">Of the same length and protocol; null where dense attention was not evaluated.</param>
    public static QualityPoint? Score(EvaluationPoint point, double? denseScore) => point switch
    {
        { Difference: { } difference } when denseScore is { } dense =>
            new QualityPoint(point, dense + difference.Mean, dense + difference.Low, dense + difference.High),
        { Score: { } score } => new QualityPoint(point, score, null, null),
        _ => null,
    };

    /// <summary>The difference alone; null where there is none.</summary>
    public static QualityPoint? Difference(EvaluationPoint point) => point switch
    {
        { Policy: PairedDifference.Dense } => new QualityPoint(point, 0, null, null),
        { Difference: { } difference } => new QualityPoint(point, difference.Mean, difference.Low, difference.High),
        _ => null,
    };
}
