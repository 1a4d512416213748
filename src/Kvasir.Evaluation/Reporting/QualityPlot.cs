using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>
/// Quality against a cost, as SVG: a line for each policy family through its settings, from the cheapest on, with confidence whiskers; dense attention is
/// the dashed line. What lies below the axis is left out, and lines to it end there.
/// </summary>
internal sealed record QualityPlot
{
    private const double Width = 500;
    private const double Height = 336;
    private const double Left = 58;
    private const double Right = 24;
    private const double Top = 24;
    private const double Bottom = 50;

    public required string Title { get; init; }

    public required IReadOnlyList<QualityPoint> Points { get; init; }

    public required IReadOnlyDictionary<string, SeriesLook> Looks { get; init; }

    public required CostFigure Cost { get; init; }

    /// <summary>Shared with the plots beside this one, as is <see cref="Y"/>.</summary>
    public required Axis X { get; init; }

    public required Axis Y { get; init; }

    /// <summary>What the upright axis shows: scores, or differences of scores.</summary>
    public required string QualityTitle { get; init; }

    public Picture ToPicture() => new(Title, Width, Height, Draw);

    private void Draw(Markup page)
    {
        Axes(page);
        var dense = Points.FirstOrDefault(static point => point.Source.Policy == PairedDifference.Dense);
        if (dense is not null)
            DenseLine(page, dense);
        foreach (var family in Points.GroupBy(static point => point.Source.Family).Where(family => Looks.ContainsKey(family.Key)))
            Series(
                page, Looks[family.Key],
                [
                    .. family.Where(point => Cost.Of(point.Source) is not null && point.Source.Policy != PairedDifference.Dense)
                        .OrderBy(point => Cost.Of(point.Source)),
                ]);
    }

    private double XOf(double value) => Left + ((Width - Left - Right) * X.Place(value));

    private double YOf(double quality) => Top + ((Height - Top - Bottom) * (1 - Y.Place(quality)));

    private double XOf(QualityPoint point) => XOf(Cost.Of(point.Source)!.Value);

    private void Axes(Markup page)
    {
        foreach (var tick in Y.Ticks())
        {
            var y = YOf(tick);
            page.Empty("path", ("class", "grid"), ("d", $"M{Markup.Number(Left)},{Markup.Number(y)}H{Markup.Number(Width - Right)}"));
            page.Element("text", YText(Math.Round(tick, 6)), ("x", Markup.Number(Left - 8)), ("y", Markup.Number(y + 4)), ("text-anchor", "end"));
        }

        foreach (var tick in X.Ticks())
        {
            var x = XOf(tick);
            page.Empty("path", ("class", "grid"), ("d", $"M{Markup.Number(x)},{Markup.Number(Top)}V{Markup.Number(Height - Bottom + 4)}"));
            page.Element("text", Cost.Text(tick), ("x", Markup.Number(x)), ("y", Markup.Number(Height - Bottom + 18)), ("text-anchor", "middle"));
        }

        page.Element(
            "text", Cost.Title, ("x", Markup.Number((Left + Width - Right) / 2)),
            ("y", Markup.Number(Height - 10)), ("text-anchor", "middle"), ("class", "kind"));
        page.Element(
            "text", QualityTitle, ("text-anchor", "middle"), ("class", "kind"),
            ("transform", $"translate(14 {Markup.Number((Top + Height - Bottom) / 2)}) rotate(-90)"));
    }

    private void DenseLine(Markup page, QualityPoint dense)
    {
        var y = YOf(dense.Quality);
        page.Empty("path", ("class", "dense"), ("d", $"M{Markup.Number(Left)},{Markup.Number(y)}H{Markup.Number(Width - Right)}"));
        // Curves meet dense attention at the right end, and are apart from it at the left.
        page.Element("text", $"dense {FigureText.Points(dense.Source.Score)}", ("x", Markup.Number(Left + 6)), ("y", Markup.Number(y - 7)), ("class", "halo"));
        if (Cost.Of(dense.Source) is null)
            return;
        page.Open("circle", ("cx", Markup.Number(XOf(dense))), ("cy", Markup.Number(y)), ("r", "4.6"), ("class", "dense-point"));
        page.Element("title", Describe(dense));
        page.Close();
    }

    private void Series(Markup page, SeriesLook look, QualityPoint[] points)
    {
        if (points.Length == 0)
            return;
        page.Open("g", ("class", look.Class), ("data-family", look.Family));
        foreach (var point in points.Where(IsShown))
            Whisker(page, point);
        page.Empty("path", ("class", "curve"), ("d", string.Concat(points.Skip(1).Zip(points).Select(pair => Segment(pair.Second, pair.First)))));
        foreach (var point in points.Where(IsShown))
            look.Marker(page, XOf(point), YOf(point.Quality), Describe(point));
        page.Close();
    }

    private void Whisker(Markup page, QualityPoint point)
    {
        if (point is not { Low: { } low, High: { } high })
            return;
        var (x, bottom, top) = (XOf(point), Markup.Number(YOf(low)), Markup.Number(YOf(high)));
        var left = Markup.Number(x - 3);
        // An end beyond the axis has no bar.
        page.Empty(
            "path", ("class", "whisker"),
            ("d", $"M{Markup.Number(x)},{bottom}V{top}{(low >= Y.Least ? $"M{left},{bottom}h6" : "")}{(high <= Y.Most ? $"M{left},{top}h6" : "")}"));
    }

    private bool IsShown(QualityPoint point) => point.Quality >= Y.Least;

    // From one point to the next, as far as that is above the lower end of the axis.
    private string Segment(QualityPoint from, QualityPoint to)
    {
        if (!IsShown(from) && !IsShown(to))
            return "";
        return $"M{Place(from, to)}L{Place(to, from)}";
    }

    // Where the line to another point leaves this one, or the axis.
    private string Place(QualityPoint point, QualityPoint other)
    {
        var part = IsShown(point) ? 0 : (Y.Least - point.Quality) / (other.Quality - point.Quality);
        var (x, y) = (XOf(point) + (part * (XOf(other) - XOf(point))), YOf(point.Quality + (part * (other.Quality - point.Quality))));
        return $"{Markup.Number(x)},{Markup.Number(y)}";
    }

    private string YText(double value) => Y.Most > 0 && Y.Least >= 0 ? FigureText.Number(value * 100) : FigureText.Signed(value * 100);

    private string Describe(QualityPoint point)
    {
        var difference = point.Source.Difference is { } paired ? $" ({FigureText.Difference(paired)} points from dense)" : "";
        return $"{point.Source.Policy}: score {FigureText.Points(point.Source.Score)}{difference} "
            + $"at {Cost.Text(Cost.Of(point.Source)!.Value)}, {Cost.Title}; {point.Source.SampleCount} samples";
    }
}

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
