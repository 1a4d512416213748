using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>
/// The plots of one cost: one for each protocol and length, on the same axes where that makes sense, so that they can be held against each other.
/// </summary>
internal static class QualityPlots
{
    // Differences of less than this are not worth a picture's height.
    private const double ShortestScores = 0.1;

    // What lies farther below dense attention is left to the plots of scores.
    private const double NearDense = -0.15;

    /// <param name="points">All tasks together.</param>
    public static IReadOnlyList<Picture> Of(IReadOnlyList<EvaluationPoint> points, CostFigure cost)
    {
        var panels = Panels(
            points, static (panel, point) => QualityPoint.Score(point, panel.FirstOrDefault(static other => other.Policy == PairedDifference.Dense)?.Score));
        return Pictures(
            panels, SeriesLook.Of(points.Select(static point => point.Family)), cost, "mean score",
            Axis.Linear(Extent(panels).Select(static score => Math.Clamp(score, 0, 1)), ShortestScores, 1));
    }

    /// <summary>Those of differences of a few points; none where all points are near in the other plots too, or none is.</summary>
    /// <param name="points">All tasks together.</param>
    public static IReadOnlyList<Picture> NearOf(IReadOnlyList<EvaluationPoint> points, CostFigure cost)
    {
        var panels = Panels(points, static (_, point) => QualityPoint.Difference(point));
        var compared = panels.SelectMany(static panel => panel.Points)
            .Where(static point => point.Source.Policy != PairedDifference.Dense).Select(static point => point.Quality).ToArray();
        return compared.All(static difference => difference >= NearDense) || compared.All(static difference => difference < NearDense)
            ? []
            : Pictures(
                panels, SeriesLook.Of(points.Select(static point => point.Family)), cost, "points from dense",
                Axis.Linear(Extent(panels).Append(0).Where(static value => value >= NearDense), ShortestScores, -NearDense));
    }

    private static Panel[] Panels(IReadOnlyList<EvaluationPoint> points, Func<EvaluationPoint[], EvaluationPoint, QualityPoint?> quality) =>
    [
        .. points.GroupBy(static point => (point.Context, point.Protocol)).OrderBy(static panel => panel.Key)
            .Select(group => new Panel(group.Key.Context, group.Key.Protocol, [.. group.Select(point => quality([.. group], point)).OfType<QualityPoint>()])),
    ];

    private static IEnumerable<double> Extent(Panel[] panels) =>
        panels.SelectMany(static panel => panel.Points)
            .SelectMany(static point => new[] { point.Quality, point.Low ?? point.Quality, point.High ?? point.Quality });

    private static IReadOnlyList<Picture> Pictures(Panel[] panels, IReadOnlyDictionary<string, SeriesLook> looks, CostFigure cost, string qualityTitle, Axis y)
    {
        var measured = panels.Where(panel => panel.Points.Any(point => cost.Of(point.Source) is not null)).ToArray();
        return
        [
            .. measured.Select(panel => new QualityPlot
            {
                Title = $"{ProtocolText.Title(panel.Protocol)}, {FigureText.Tokens(panel.Context)} tokens",
                Points = panel.Points,
                Looks = looks,
                Cost = cost,
                X = Axis.Logarithmic(
                    measured.Where(other => cost.IsRelative || other.Context == panel.Context)
                        .SelectMany(static other => other.Points).Select(point => cost.Of(point.Source) ?? 0)),
                Y = y,
                QualityTitle = qualityTitle,
            }.ToPicture()),
        ];
    }

    private sealed record Panel(int Context, Protocol Protocol, IReadOnlyList<QualityPoint> Points);
}
