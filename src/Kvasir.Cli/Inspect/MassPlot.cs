using Kvasir.Evaluation.Reporting;

namespace Kvasir.Cli.Inspect;

/// <summary>
/// The attention mass that the best keys hold, as SVG: a line for each layer, the median of layers, and where each policy stands. The share of keys
/// is on a logarithmic axis.
/// </summary>
internal static class MassPlot
{
    private const double Width = 760;
    private const double Height = 380;
    private const double Left = 52;
    private const double Right = 18;
    private const double Top = 12;
    private const double Bottom = 44;

    // The darkest colours would not be seen on a dark page.
    private const double DarkLayers = 0.4;

    public static void Write(Markup page, StudyReport report)
    {
        var least = report.KeyShares[0];
        page.Open(
            "svg", ("viewBox", $"0 0 {Markup.Number(Width)} {Markup.Number(Height)}"),
            ("width", Markup.Number(Width)), ("role", "img"), ("aria-label", "attention mass by share of keys"));
        Axes(page, least);
        var layers = new ColourScale(-DarkLayers * report.Layers, Math.Max(1, report.Layers - 1), IsLog: false, IsWarm: false);
        for (var layer = 0; layer < report.Layers; layer++)
            Line(page, report.KeyShares, report.MassOfBestKeys[layer], $"layer {layer}", ("stroke", layers.Colour(layer)));
        Line(page, report.KeyShares, Median(report.MassOfBestKeys), "median of the layers", ("class", "median"));
        // Who stands on the same place is named side by side.
        var places = report.Policies.Select((policy, index) => (policy, index))
            .GroupBy(at => (X: Math.Round(X(at.policy.KeysUsedShare, least)), Y: Math.Round(Y(at.policy.MassKept))));
        foreach (var place in places)
            Marker(page, place.Key.X, place.Key.Y, [.. place]);
        page.Close();
    }

    private static double X(double share, double least) => Left + ((Width - Left - Right) * (1 - (Math.Log(Math.Clamp(share, least, 1)) / Math.Log(least))));

    private static double Y(double mass) => Top + ((Height - Top - Bottom) * (1 - mass));

    private static void Axes(Markup page, double least)
    {
        for (var i = 0; i <= 4; i++)
        {
            var y = Y(i / 4.0);
            page.Empty(
                "line", ("class", "grid"), ("x1", Markup.Number(Left)),
                ("x2", Markup.Number(Width - Right)), ("y1", Markup.Number(y)), ("y2", Markup.Number(y)));
            page.Element("text", ShareText.Text(i / 4.0), ("x", Markup.Number(Left - 6)), ("y", Markup.Number(y + 4)), ("text-anchor", "end"));
        }

        for (var share = 1.0; share >= least; share /= 10)
        {
            var x = X(share, least);
            page.Empty(
                "line", ("class", "grid"), ("x1", Markup.Number(x)), ("x2", Markup.Number(x)),
                ("y1", Markup.Number(Top)), ("y2", Markup.Number(Height - Bottom)));
            page.Element(
                "text", ShareText.Text(share), ("x", Markup.Number(x)),
                ("y", Markup.Number(Height - Bottom + 16)), ("text-anchor", share == 1 ? "end" : "middle"));
        }

        page.Element(
            "text", "share of keys, those of most weight first", ("x", Markup.Number((Left + Width - Right) / 2)),
            ("y", Markup.Number(Height - 8)), ("text-anchor", "middle"));
        page.Element(
            "text", "attention mass", ("x", "0"), ("y", "0"), ("text-anchor", "middle"),
            ("transform", $"translate(12 {Markup.Number((Top + Height - Bottom) / 2)}) rotate(-90)"));
    }

    private static void Line(Markup page, double[] shares, double[] masses, string title, (string Name, string Value) look)
    {
        var points = shares.Select((share, i) => $"{Markup.Number(X(share, shares[0]))},{Markup.Number(Y(masses[i]))}");
        page.Open("polyline", ("points", string.Join(' ', points)), ("fill", "none"), look);
        page.Element("title", title);
        page.Close();
    }

    private static void Marker(Markup page, double x, double y, (PolicyStudyReport Policy, int Index)[] policies)
    {
        page.Open("g", ("class", "marker"));
        page.Open("circle", ("cx", Markup.Number(x)), ("cy", Markup.Number(y)), ("r", "4.5"));
        page.Element(
            "title",
            string.Join(
                "; ",
                policies.Select(static at =>
                    $"{at.Policy.Policy}: {ShareText.Text(at.Policy.MassKept)} of the mass on {ShareText.Text(at.Policy.KeysUsedShare)} of the keys")));
        page.Close();
        var isRight = x > Width - 90;
        page.Element(
            "text", string.Join(", ", policies.Select(static at => $"{at.Index + 1}")),
            ("x", Markup.Number(isRight ? x - 8 : x + 8)), ("y", Markup.Number(y + 13)),
            ("text-anchor", isRight ? "end" : "start"));
        page.Close();
    }

    private static double[] Median(double[][] curves) =>
    [
        .. Enumerable.Range(0, curves[0].Length).Select(point =>
        {
            var sorted = curves.Select(curve => curve[point]).Order().ToArray();
            return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }),
    ];
}
