namespace Kvasir.Cli.Inspection;

/// <summary>A map of layers by query heads, as SVG: a cell for each, with its value as a tooltip, and the scale below.</summary>
internal static class HeatMap
{
    private const double Left = 36;
    private const double Top = 18;
    private const double LegendHeight = 44;
    private const int LegendSteps = 40;

    /// <param name="values">[layers][heads]</param>
    public static void Write(Markup page, string title, double[][] values, ColourScale scale)
    {
        var (layers, heads) = (values.Length, values[0].Length);
        var (cellWidth, cellHeight) = (Math.Clamp(288.0 / heads, 4, 26), Math.Clamp(420.0 / layers, 7, 22));
        var (width, height) = (Math.Max(heads * cellWidth, 180), layers * cellHeight);
        page.Open("figure");
        page.Element("figcaption", title);
        page.Open("svg", ("viewBox", $"0 0 {Markup.Number(Left + width + 14)} {Markup.Number(Top + height + LegendHeight)}"), ("width", Markup.Number(Left + width + 14)), ("role", "img"), ("aria-label", title));
        Axes(page, (layers, heads), (cellWidth, cellHeight));
        for (var layer = 0; layer < layers; layer++)
        {
            for (var head = 0; head < heads; head++)
            {
                page.Open("rect", Box(Left + (head * cellWidth), Top + (layer * cellHeight), cellWidth - 0.6, cellHeight - 0.6, scale.Colour(values[layer][head])));
                page.Element("title", $"layer {layer}, head {head}: {Share.Text(values[layer][head])}");
                page.Close();
            }
        }

        Legend(page, scale, width, Top + height + 12);
        page.Close();
        page.Close();
    }

    private static void Axes(Markup page, (int Layers, int Heads) count, (double Width, double Height) cell)
    {
        page.Element("text", "head", ("x", "0"), ("y", Markup.Number(Top - 6)));
        var headStep = Step(count.Heads, 22 / cell.Width);
        for (var head = 0; head < count.Heads; head += headStep)
            page.Element("text", $"{head}", ("x", Markup.Number(Left + ((head + 0.5) * cell.Width))), ("y", Markup.Number(Top - 6)), ("text-anchor", "middle"));
        var layerStep = Step(count.Layers, 11 / cell.Height);
        for (var layer = 0; layer < count.Layers; layer += layerStep)
            page.Element("text", $"{layer}", ("x", Markup.Number(Left - 5)), ("y", Markup.Number(Top + ((layer + 0.5) * cell.Height) + 3.5)), ("text-anchor", "end"));
    }

    // Every first, second, fourth and so on is named, so that names stand apart.
    private static int Step(int count, double least)
    {
        var step = 1;
        while (step < least && step < count)
            step *= 2;
        return step;
    }

    private static void Legend(Markup page, ColourScale scale, double width, double top)
    {
        for (var i = 0; i < LegendSteps; i++)
            page.Empty("rect", Box(Left + (i * width / LegendSteps), top, (width / LegendSteps) + 0.3, 8, scale.Colour(scale.At((i + 0.5) / LegendSteps))));
        foreach (var (place, anchor) in new[] { (0.0, "start"), (0.5, "middle"), (1.0, "end") })
            page.Element("text", Share.Text(scale.At(place)), ("x", Markup.Number(Left + (place * width))), ("y", Markup.Number(top + 20)), ("text-anchor", anchor));
    }

    private static (string Name, string Value)[] Box(double x, double y, double width, double height, string colour) =>
        [("x", Markup.Number(x)), ("y", Markup.Number(y)), ("width", Markup.Number(width)), ("height", Markup.Number(height)), ("fill", colour)];
}
