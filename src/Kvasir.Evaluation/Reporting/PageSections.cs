using System.Globalization;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>The parts of an <see cref="EvaluationPage"/>. One that has nothing to show writes nothing.</summary>
internal static class PageSections
{
    public static void Settings(Markup page, EvaluationDocument document)
    {
        var (settings, samples) = (document.Settings, document.Samples);
        page.Open("div", ("class", "settings"));
        page.Table("Settings",
        [
            ["setting", "value"],
            ["model", $"{settings.Model}: {settings.Shape}"],
            ["machine", $"{settings.Machine}; {settings.Threads} {(settings.Threads == 1 ? "thread" : "threads")}"],
            ["Kvasir", settings.Version],
            ["KV cache", settings.Kv],
            ["seed", settings.Seed.ToString(CultureInfo.InvariantCulture)],
            ["tasks", Listed(samples.Select(static sample => sample.Task))],
            ["lengths", Listed(samples.Select(static sample => sample.Context).Order().Select(static context => $"{FigureText.Tokens(context)} tokens"))],
            .. samples.Select(static sample => sample.Protocol).Distinct().Order()
                .Select(static protocol => new[] { ProtocolText.Title(protocol), ProtocolText.Meaning(protocol) }),
            ["samples", $"{Counted(document.Tasks)}{(document.Partial == true ? "; the run was interrupted, and others are missing" : "")}"],
        ]);
        page.Close();
    }

    public static void HowToRead(Markup page, IReadOnlyList<EvaluationPoint> overall)
    {
        page.Open("p", ("class", "note"));
        page.Text("How to read it: scores are means over samples, in points of 100. ");
        if (overall.Any(static point => point.Difference is not null))
        {
            page.Text(
                "Every policy saw the same samples as dense attention, so that differences are taken sample by sample; "
                    + "± is half of their 95% confidence interval, which less than ten samples that all differ by the same do not give. What is ");
            page.Element("span", "worse", ("class", "worse key"));
            page.Text(" or ");
            page.Element("span", "better", ("class", "better key"));
            page.Text(" than dense with the whole interval is coloured, and one in forty is so on either side by chance. ");
        }
        else
        {
            page.Text("Dense attention was not among the policies, so that nothing is known of differences from it. ");
        }

        foreach (var meaning in FigureMeaning.Of(overall))
            page.Text($"{Capital(meaning)} ");
        page.Text(
            "Keys read is the share of the cached rows that all layers and heads read, a mean over samples; "
                + "time is that of tokens fed under the policy. Protocols rank policies differently: hold figures only against those of the same.");
        page.Close();
    }

    public static void Plots(Markup page, string title, IReadOnlyList<EvaluationPoint> overall, CostFigure cost)
    {
        var plots = QualityPlots.Of(overall, cost);
        if (plots.Count == 0)
            return;
        page.Element("h2", title);
        page.Open("ul", ("class", "legend"));
        foreach (var look in SeriesLook.Of(overall.Select(static point => point.Family)).Values)
            LegendEntry(page, look);
        page.Close();
        Maps(page, plots, "maps plots");
        var near = cost == CostFigure.KeysRead ? QualityPlots.NearOf(overall, cost) : [];
        if (near.Count == 0)
            return;
        page.Element("h3", "The same near dense attention");
        page.Element(
            "p",
            "Differences from dense attention in points of 100, with their 95% confidence intervals; settings that lose more than the axis shows are left out.",
            ("class", "note"));
        Maps(page, near, "maps plots");
    }

    public static void Overview(Markup page, IReadOnlyList<EvaluationPoint> overall)
    {
        page.Element("h2", "All tasks together");
        foreach (var protocol in overall.GroupBy(static point => point.Protocol))
            PointTables.Long(page, $"{Capital(ProtocolText.Title(protocol.Key))}: every policy at every length", [.. protocol]);
    }

    public static void Tasks(Markup page, IReadOnlyList<EvaluationPoint> points, IReadOnlyList<EvaluationPoint> overall)
    {
        page.Element("h2", "Task by task");
        page.Element("p", "Scores, and below them the difference from dense; what a policy cost is a mean over tasks.", ("class", "note"));
        foreach (var place in points.GroupBy(static point => (point.Protocol, point.Context)).OrderBy(static place => place.Key))
        {
            var totals = overall.Where(point => (point.Protocol, point.Context) == place.Key).ToArray();
            PointTables.Matrix(page, $"{Capital(ProtocolText.Title(place.Key.Protocol))}, {FigureText.Tokens(place.Key.Context)} tokens", [.. place], totals);
        }

        foreach (var protocol in points.GroupBy(static point => point.Protocol))
        {
            page.Open("details");
            page.Element("summary", $"Every figure of every task, {ProtocolText.Title(protocol.Key)}");
            PointTables.Long(page, $"{Capital(ProtocolText.Title(protocol.Key))}: task x policy x length", [.. protocol]);
            page.Close();
        }
    }

    public static void Needles(Markup page, IReadOnlyList<EvaluatedSample> samples)
    {
        var needles = NeedleMaps.Of(samples).OrderBy(static needle => needle.Protocol).ToArray();
        if (needles.Length == 0)
            return;
        page.Element("h2", "Needles by depth and length");
        page.Element(
            "p", "Mean score by where the needle lies in the context, from its beginning (0%) to its end, and by the context's length.", ("class", "note"));
        foreach (var (task, protocol, maps) in needles)
        {
            page.Element("h3", $"{task}, {ProtocolText.Title(protocol)}");
            Maps(page, maps);
        }
    }

    public static void Layers(Markup page, IReadOnlyList<EvaluationPoint> overall)
    {
        var maps = LayerMaps.Of(overall);
        if (maps.Count == 0)
            return;
        page.Element("h2", "Keys read by each layer");
        page.Element("p", "Share of the cached rows that each layer read, all tasks together, on a logarithmic scale.", ("class", "note"));
        Maps(page, maps);
    }

    public static void Commands(Markup page, IReadOnlyList<EvaluationPoint> overall, EvaluationSettings settings)
    {
        var policies = overall.Select(static point => point.Policy).Distinct().ToArray();
        page.Element("h2", "How to make it again");
        page.Open("p", ("class", "note"));
        page.Text("All of it: ");
        page.Element("code", settings.CommandOf(policies));
        page.Close();
        page.Open("table", ("class", "commands"));
        page.Element("caption", "Each policy's points beside dense attention");
        page.Open("tr");
        page.Element("th", "policy", ("scope", "col"));
        page.Element("th", "command", ("scope", "col"));
        page.Close();
        foreach (var policy in policies)
        {
            page.Open("tr");
            page.Element("td", policy);
            page.Open("td");
            page.Element("code", settings.CommandOf(policies.Where(other => other == policy || other == PairedDifference.Dense)));
            page.Close();
            page.Close();
        }

        page.Close();
    }

    private static void LegendEntry(Markup page, SeriesLook look)
    {
        page.Open("li");
        page.Open("button", ("type", "button"), ("aria-pressed", "true"), ("data-family", look.Family));
        page.Open("svg", ("viewBox", "0 0 28 16"), ("class", look.Class), ("aria-hidden", "true"));
        look.Sample(page, 0, 8);
        page.Close();
        page.Text(look.Family);
        page.Close();
        page.Close();
    }

    private static void Maps(Markup page, IReadOnlyList<Picture> maps, string look = "maps")
    {
        page.Open("div", ("class", look));
        foreach (var map in maps)
            map.WriteFigure(page);
        page.Close();
    }

    // As "20 for each task, length, protocol and policy", and how many that is.
    private static string Counted(IReadOnlyList<EvaluationPoint> points)
    {
        int[] counts = [.. points.Select(static point => point.SampleCount).DefaultIfEmpty()];
        var (least, most) = (counts.Min(), counts.Max());
        var each = least == most ? $"{most}" : $"{least} to {most}";
        return $"{each} for each task, length, protocol and policy; {counts.Sum().ToString("N0", CultureInfo.InvariantCulture)} in all";
    }

    private static string Listed(IEnumerable<string> texts) => texts.Distinct().ToArray() is { Length: > 0 } all ? string.Join(", ", all) : "none yet";

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
