namespace Kvasir.Evaluation.Reporting;

/// <summary>A map of values by row and column, as SVG: a cell for each, with its value as a tooltip, and the scale below.</summary>
internal sealed record HeatMap
{
    private const double Top = 18;
    private const double LegendHeight = 44;
    private const double LegendWidth = 180;
    private const double DigitWidth = 6.4;
    private const int LegendSteps = 40;
    private const int ValueLetters = 5;

    public required string Title { get; init; }

    /// <summary>[rows][columns]; null where nothing was measured.</summary>
    public required double?[][] Values { get; init; }

    public required ColourScale Scale { get; init; }

    /// <summary>What a row is, as layer, and a column.</summary>
    public required (string Row, string Column) Kinds { get; init; }

    public required IReadOnlyList<string> RowNames { get; init; }

    public required IReadOnlyList<string> ColumnNames { get; init; }

    /// <summary>Of a cell. Where there is room for all values, they are written in the cells.</summary>
    public double MostWidth { get; init; } = 26;

    private double CellWidth => Math.Clamp(288.0 / ColumnNames.Count, 4, MostWidth);

    private double CellHeight => Math.Clamp(420.0 / RowNames.Count, 7, 22);

    private double Left => Math.Max(36, 8 + (DigitWidth * Math.Max(Kinds.Column.Length, RowNames.Max(static name => name.Length))));

    private double MapWidth => Math.Max(ColumnNames.Count * CellWidth, LegendWidth);

    private double MapHeight => RowNames.Count * CellHeight;

    public Picture ToPicture() => new(Title, Left + MapWidth + 14, Top + MapHeight + LegendHeight, Draw);

    /// <summary>Names for places that have none but their number.</summary>
    public static string[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(static i => $"{i}")];

    private void Draw(Markup page)
    {
        Axes(page);
        for (var row = 0; row < RowNames.Count; row++)
        {
            for (var column = 0; column < ColumnNames.Count; column++)
            {
                if (Values[row][column] is { } value)
                    Cell(page, row, column, value);
            }
        }

        Legend(page, Top + MapHeight + 12);
    }

    private void Axes(Markup page)
    {
        page.Element("text", Kinds.Column, ("x", Markup.Number(Left - 5)), ("y", Markup.Number(Top - 6)), ("text-anchor", "end"), ("class", "kind"));
        var columnStep = Step(ColumnNames.Count, (4 + (DigitWidth * ColumnNames.Max(static name => name.Length))) / CellWidth);
        for (var column = 0; column < ColumnNames.Count; column += columnStep)
            page.Element(
                "text", ColumnNames[column], ("x", Markup.Number(Left + ((column + 0.5) * CellWidth))),
                ("y", Markup.Number(Top - 6)), ("text-anchor", "middle"));
        var rowStep = Step(RowNames.Count, 11 / CellHeight);
        for (var row = 0; row < RowNames.Count; row += rowStep)
            page.Element(
                "text", RowNames[row], ("x", Markup.Number(Left - 5)), ("y", Markup.Number(Top + ((row + 0.5) * CellHeight) + 3.5)), ("text-anchor", "end"));
    }

    private void Cell(Markup page, int row, int column, double value)
    {
        var (x, y, text) = (Left + (column * CellWidth), Top + (row * CellHeight), ShareText.Text(value));
        page.Open("rect", Box(x, y, CellWidth - 0.6, CellHeight - 0.6, Scale.Colour(value)));
        page.Element("title", $"{Kinds.Row} {RowNames[row]}, {Kinds.Column} {ColumnNames[column]}: {text}");
        page.Close();
        if (CellWidth >= (DigitWidth * ValueLetters) + 4 && CellHeight >= 14)
            page.Element(
                "text", text, ("x", Markup.Number(x + (CellWidth / 2))), ("y", Markup.Number(y + (CellHeight / 2) + 3.5)),
                ("text-anchor", "middle"), ("class", Scale.IsDark(value) ? "on-dark" : "on-light"));
    }

    // Every first, second, fourth and so on is named, so that names stand apart.
    private static int Step(int count, double least)
    {
        var step = 1;
        while (step < least && step < count)
            step *= 2;
        return step;
    }

    private void Legend(Markup page, double top)
    {
        for (var i = 0; i < LegendSteps; i++)
            page.Empty(
                "rect",
                [
                    .. Box(Left + (i * MapWidth / LegendSteps), top, (MapWidth / LegendSteps) + 0.3, 8, Scale.Colour(Scale.At((i + 0.5) / LegendSteps))),
                    ("shape-rendering", "crispEdges"),
                ]);
        foreach (var place in Scale.Marks())
        {
            var anchor = place == 0 ? "start" : place == 1 ? "end" : "middle";
            page.Element(
                "text", ShareText.Text(Scale.At(place)), ("x", Markup.Number(Left + (place * MapWidth))),
                ("y", Markup.Number(top + 20)), ("text-anchor", anchor));
        }
    }

    private static (string Name, string Value)[] Box(double x, double y, double width, double height, string colour) =>
        [("x", Markup.Number(x)), ("y", Markup.Number(y)), ("width", Markup.Number(width)), ("height", Markup.Number(height)), ("fill", colour)];
}
