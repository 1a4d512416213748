using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>A column of a table of points.</summary>
/// <param name="Text">Of a cell; a dash where nothing was measured.</param>
/// <param name="Difference">What colours the cell where its interval excludes 0; null for columns that are not compared.</param>
internal sealed record FigureColumn(string Title, Func<EvaluationPoint, string> Text, Func<EvaluationPoint, PairedDifference?>? Difference = null)
{
    private const double MegaBytes = 1e6;

    private static readonly FigureColumn[] Costs =
    [
        new("keys read", static point => FigureText.Percent(point.KeysRead)),
        new("ms per token", static point => FigureText.Figure(point.MsPerToken)),
        new("MB per token", static point => FigureText.Figure(point.BytesPerToken / MegaBytes)),
    ];

    private static readonly FigureColumn[] Known =
    [
        new("samples", static point => $"{point.SampleCount}"),
        new("score", static point => FigureText.Points(point.Score)),
        new("from dense", static point => FigureText.Difference(point.Difference), static point => point.Difference),
        new("95% interval", static point => FigureText.Interval(point.Difference)),
        .. Costs,
        new("divergence, nats", static point => FigureText.Figure(point.Divergence)),
        new("perplexity", static point => FigureText.Figure(point.Loss is { } loss ? Math.Exp(loss) : null)),
        new("loss, nats", static point => FigureText.Figure(point.Loss)),
        // More loss is worse, where a higher score is better.
        new(
            "loss from dense", static point => FigureText.Nats(point.LossDifference),
            static point => point.LossDifference is { } paired ? new PairedDifference(paired.PairCount, -paired.Mean, -paired.High, -paired.Low) : null),
        new("mass kept", static point => FigureText.Percent(point.MassKept)),
        new("output error", static point => FigureText.Percent(point.OutputError)),
    ];

    /// <summary>Those in which any of the points has a figure.</summary>
    public static IReadOnlyList<FigureColumn> Of(IReadOnlyCollection<EvaluationPoint> points) =>
        [.. Known.Where(column => points.Any(point => column.Text(point) != FigureText.None))];

    /// <summary>What a policy costs, whatever the task.</summary>
    public static IReadOnlyList<FigureColumn> CostsOf(IReadOnlyCollection<EvaluationPoint> points) =>
        [.. Costs.Where(column => points.Any(point => column.Text(point) != FigureText.None))];

    public void WriteCell(Markup page, EvaluationPoint point) => page.Element("td", Text(point), ("class", Class(Difference?.Invoke(point))));

    /// <summary>How a cell looks whose difference is this.</summary>
    public static string Class(PairedDifference? difference) => difference?.Direction switch
    {
        < 0 => "worse",
        > 0 => "better",
        _ => "even",
    };
}
