namespace Kvasir.Evaluation.Reporting;

/// <summary>Pictures in rows on one sheet of light paper: an SVG file that stands alone and looks the same on dark pages.</summary>
internal static class SvgSheet
{
    private const double Margin = 20;
    private const double Gap = 18;
    private const double TitleHeight = 34;
    private const double NameHeight = 22;
    private const double LegendLine = 22;
    private const double LetterWidth = 6.4;
    private const double TitleLetterWidth = 9.2;
    private const double NameLetterWidth = 7.8;
    private const double SampleWidth = 36;
    private const double SampleGap = 20;

    /// <summary>The document.</summary>
    /// <param name="legend">Empty where pictures explain themselves.</param>
    /// <param name="columns">Pictures side by side at most.</param>
    public static string Text(string title, IReadOnlyList<Picture> pictures, IReadOnlyList<SeriesLook> legend, int columns)
    {
        var rows = pictures.Chunk(columns).ToArray();
        var cellWidth = pictures.Max(static picture => Math.Max(picture.Width, picture.Title.Length * NameLetterWidth));
        var contentWidth = Math.Max(title.Length * TitleLetterWidth, 320);
        contentWidth = Math.Max(contentWidth, (rows[0].Length * (cellWidth + Gap)) - Gap);
        var places = LegendPlaces(legend, contentWidth);
        var top = Margin + TitleHeight + (legend.Count == 0 ? 0 : places[^1].Y + LegendLine + 6);
        var height = top + rows.Sum(static row => RowHeight(row)) + Margin - Gap;
        using var output = new StringWriter();
        using (var drawing = Markup.Drawing(output))
        {
            Open(drawing, title, contentWidth + (2 * Margin), height);
            for (var i = 0; i < legend.Count; i++)
                LegendEntry(drawing, legend[i], Margin + places[i].X, Margin + TitleHeight + places[i].Y);
            foreach (var row in rows)
            {
                Row(drawing, row, cellWidth + Gap, top);
                top += RowHeight(row);
            }

            drawing.Close();
        }

        return output.ToString();
    }

    private static double RowHeight(Picture[] row) => row.Max(static picture => picture.Height) + NameHeight + Gap;

    private static double TextWidth(string text) => text.Length * LetterWidth;

    // Entries stand in rows, from left to right as far as there is room.
    private static (double X, double Y)[] LegendPlaces(IReadOnlyList<SeriesLook> legend, double width)
    {
        var places = new (double X, double Y)[legend.Count];
        var (x, y) = (0.0, 0.0);
        for (var i = 0; i < places.Length; i++)
        {
            var entryWidth = SampleWidth + TextWidth(legend[i].Family) + SampleGap;
            if (x > 0 && x + entryWidth > width)
                (x, y) = (0, y + LegendLine);
            places[i] = (x, y);
            x += entryWidth;
        }

        return places;
    }

    private static void Open(Markup drawing, string title, double width, double height)
    {
        drawing.Open(
            "svg", ("viewBox", $"0 0 {Markup.Number(width)} {Markup.Number(height)}"),
            ("width", Markup.Number(width)), ("height", Markup.Number(height)), ("role", "img"));
        drawing.Element("title", title);
        drawing.Element("style", $"{PageStyle.Light} {PageStyle.Drawing} {SeriesLook.Style(isDark: false)}");
        drawing.Empty("rect", ("width", "100%"), ("height", "100%"), ("rx", "8"), ("class", "sheet"));
        drawing.Element("text", title, ("x", Markup.Number(Margin)), ("y", Markup.Number(Margin + 14)), ("class", "title"));
    }

    private static void LegendEntry(Markup drawing, SeriesLook look, double x, double y)
    {
        drawing.Open("g", ("class", look.Class));
        look.Sample(drawing, x, y + 8);
        drawing.Element("text", look.Family, ("x", Markup.Number(x + SampleWidth)), ("y", Markup.Number(y + 12)));
        drawing.Close();
    }

    private static void Row(Markup drawing, Picture[] row, double columnWidth, double top)
    {
        for (var i = 0; i < row.Length; i++)
        {
            var left = Margin + (i * columnWidth);
            drawing.Element("text", row[i].Title, ("x", Markup.Number(left)), ("y", Markup.Number(top + 12)), ("class", "name"));
            drawing.Open("g", ("transform", $"translate({Markup.Number(left)} {Markup.Number(top + NameHeight)})"));
            row[i].Draw(drawing);
            drawing.Close();
        }
    }
}
