using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Points in tables. Differences whose confidence interval excludes 0 are coloured and marked.</summary>
internal static class PointTables
{
    /// <summary>A row for each point, all figures.</summary>
    /// <param name="points">Of one protocol.</param>
    public static void Long(Markup page, string caption, IReadOnlyList<EvaluationPoint> points)
    {
        var columns = FigureColumn.Of(points);
        var hasTask = points.Any(static point => point.Task is not null);
        Open(page, caption, "figures");
        Heads(page, [.. hasTask ? ["task"] : Array.Empty<string>(), "policy", "tokens", .. columns.Select(static column => column.Title)], hasTask ? 2 : 1);
        page.Open("tbody");
        var above = (points[0].Task, points[0].Context);
        foreach (var point in points)
        {
            page.Open("tr", ("class", above == (point.Task, point.Context) ? "inner" : "first"));
            above = (point.Task, point.Context);
            if (hasTask)
                Name(page, point.Task ?? "");
            Name(page, point.Policy);
            page.Element("td", FigureText.Tokens(point.Context));
            foreach (var column in columns)
                column.WriteCell(page, point);
            page.Close();
        }

        Close(page);
    }

    /// <summary>A row for each policy, a column for each task: scores, with the difference from dense below.</summary>
    /// <param name="points">Of one protocol and length, by task.</param>
    /// <param name="overall">The same, all tasks together.</param>
    public static void Matrix(Markup page, string caption, IReadOnlyList<EvaluationPoint> points, IReadOnlyList<EvaluationPoint> overall)
    {
        var tasks = points.Select(static point => point.Task!).Distinct().ToArray();
        var costs = FigureColumn.CostsOf(overall);
        Open(page, caption, "matrix");
        Heads(page, ["policy", .. tasks.Length > 1 ? ["all tasks"] : Array.Empty<string>(), .. costs.Select(static cost => cost.Title), .. tasks], 1);
        page.Open("tbody");
        foreach (var total in overall)
        {
            page.Open("tr");
            Name(page, total.Policy);
            if (tasks.Length > 1)
                Score(page, total);
            foreach (var cost in costs)
                cost.WriteCell(page, total);
            foreach (var task in tasks)
                Score(page, points.FirstOrDefault(point => point.Task == task && point.Policy == total.Policy));
            page.Close();
        }

        Close(page);
    }

    private static void Open(Markup page, string caption, string look)
    {
        page.Open("div", ("class", "wide"), ("tabindex", "0"));
        page.Open("table", ("class", look));
        page.Element("caption", caption);
    }

    private static void Heads(Markup page, string[] titles, int names)
    {
        page.Open("thead");
        page.Open("tr");
        for (var i = 0; i < titles.Length; i++)
        {
            page.Open("th", ("scope", "col"), ("class", i < names ? "name" : "head"));
            Broken(page, titles[i]);
            page.Close();
        }

        page.Close();
        page.Close();
    }

    private static void Name(Markup page, string text)
    {
        page.Open("th", ("scope", "row"), ("class", "name"));
        Broken(page, text);
        page.Close();
    }

    // Long names go on in the next line behind a mark.
    private static void Broken(Markup page, string name)
    {
        for (var start = 0; start < name.Length;)
        {
            var end = name.AsSpan(start).IndexOfAny("_:,");
            end = end < 0 ? name.Length : start + end + 1;
            page.Text(name[start..end]);
            if (end < name.Length)
                page.Empty("wbr");
            start = end;
        }
    }

    private static void Score(Markup page, EvaluationPoint? point)
    {
        if (point is null)
        {
            page.Element("td", FigureText.None);
            return;
        }

        var title = $"{point.Policy}: {point.SampleCount} samples, from dense {FigureText.Difference(point.Difference)}, "
            + $"95% interval {FigureText.Interval(point.Difference)}";
        page.Open("td", ("class", FigureColumn.Class(point.Difference)), ("title", title));
        page.Text(FigureText.Points(point.Score));
        if (point.Difference is not null)
            page.Element("small", FigureText.Difference(point.Difference));
        page.Close();
    }

    private static void Close(Markup page)
    {
        page.Close();
        page.Close();
        page.Close();
    }
}
