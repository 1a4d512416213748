using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.Reporting;

namespace Kvasir.Cli.Inspect;

/// <summary>A <see cref="StudyReport"/> as a page that stands alone: no script, no network, light or dark as the reader has it.</summary>
internal static class StudyPage
{
    private const string Style = """
        .settings td, .settings th, .policies td:nth-child(2), .policies th:nth-child(2) { text-align: left; overflow-wrap: anywhere; }
        polyline { stroke-width: 1.3; stroke-opacity: 0.75; }
        .median { stroke: var(--ink); stroke-width: 2.6; stroke-opacity: 1; }
        .marker circle { fill: #d62728; stroke: var(--paper); stroke-width: 1.2; } .marker text { font-weight: 700; font-size: 12px; }
        """;

    private static readonly string[] Titles = ["keys read", "by a head", "mass kept", "error"];

    public static void Write(StudyReport report, TextWriter output)
    {
        using var page = Markup.Page(output);
        PageStyle.Open(page, $"Attention of {report.Model.Name}", Style);
        Overview(page, report);
        var scales = Scales(report);
        for (var i = 0; i < report.Policies.Length; i++)
            Policy(page, i + 1, report.Policies[i], scales);
        page.Close();
        page.Close();
    }

    private static void Overview(Markup page, StudyReport report)
    {
        page.Element(
            "p",
            $"The last {report.Queries} of {SizeText.Count(report.PromptTokens)} prompt tokens were attended by every policy, "
                + "as if they had been generated, and densely. Figures are means over them.",
            ("class", "note"));
        page.Open("div", ("class", "policies"));
        page.Table("Policies", [["#", "policy", .. Titles, "worst layer"], .. report.Policies.Select(Row)]);
        page.Close();
        page.Element(
            "p",
            "Keys read: from memory, of those in sight, by all query heads of a KV head together. "
                + "By a head: those that a query head used. Mass kept: dense attention's weight on these."
            + " Error: the distance of a head's output from the dense one, relative to its length.",
            ("class", "note"));
        page.Element("h2", "How attention is spread");
        page.Element(
            "p",
            "A line for each layer, from the first (dark) to the last (light), and their median: "
                + "the mass that the best keys hold. The numbers are policies, at the share of keys that a head used;"
            + " how far one lies below the lines is what its choice lost against the best of that size.",
            ("class", "note"));
        MassPlot.Write(page, report);
        page.Open("div", ("class", "settings"));
        page.Table("Settings", Settings(report));
        page.Close();
    }

    private static string[] Row(PolicyStudyReport policy, int index)
    {
        var worst = policy.Layers.MaxBy(static layer => layer.Error)!;
        return
        [
            $"{index + 1}", policy.Policy, ShareText.Text(policy.KeysReadShare),
            ShareText.Text(policy.KeysUsedShare), ShareText.Text(policy.MassKept), ShareText.Text(policy.Error),
            worst.Error > 0 ? $"{worst.Layer}: {ShareText.Text(worst.Error)}" : "none",
        ];
    }

    private static List<string[]> Settings(StudyReport report) =>
    [
        ["setting", "value"],
        ["model", report.Model.Name],
        ["architecture", report.Model.Architecture],
        ["layers", $"{report.Layers}"],
        ["heads", $"{report.Heads} over {report.KvHeads} KV heads"],
        ["prompt", $"{SizeText.Count(report.PromptTokens)} tokens"],
        ["queries", $"{report.Queries}"],
        ["KV cache", report.Kv],
        ["threads", $"{report.Threads}"],
    ];

    // One scale for all policies, so that their maps can be held against each other.
    private static (ColourScale Keys, ColourScale Mass, ColourScale Error) Scales(StudyReport report)
    {
        var layers = report.Policies.SelectMany(static policy => policy.Layers).Select(static layer => layer.Heads).ToArray();
        var leastKeys = layers.Min(static heads => heads.KeysUsedShare.Min());
        var mostError = layers.Max(static heads => heads.Error.Max());
        return (
            new ColourScale(Math.Clamp(leastKeys, 1e-4, 0.5), 1, IsLog: true, IsWarm: false),
            new ColourScale(Math.Min(0.99, layers.Min(static heads => heads.MassKept.Min())), 1, IsLog: false, IsWarm: false),
            new ColourScale(0, mostError > 0 ? Math.Min(1, mostError) : 1, IsLog: false, IsWarm: true));
    }

    private static void Policy(Markup page, int number, PolicyStudyReport policy, (ColourScale Keys, ColourScale Mass, ColourScale Error) scales)
    {
        page.Element("h2", $"{number}. {policy.Policy}");
        page.Element("p", "Layers down, query heads across; the scales are those of all policies.", ("class", "note"));
        page.Open("div", ("class", "maps"));
        Map(page, "Keys used by each head", [.. policy.Layers.Select(static layer => layer.Heads.KeysUsedShare)], scales.Keys);
        Map(page, "Mass kept", [.. policy.Layers.Select(static layer => layer.Heads.MassKept)], scales.Mass);
        Map(page, "Error", [.. policy.Layers.Select(static layer => layer.Heads.Error)], scales.Error);
        page.Close();
        page.Open("details");
        page.Element("summary", "By layer");
        page.Table(
            "Means over heads",
            [
                ["layer", .. Titles],
                .. policy.Layers.Select(static layer => new[]
                {
                    $"{layer.Layer}", ShareText.Text(layer.KeysReadShare), ShareText.Text(layer.KeysUsedShare),
                    ShareText.Text(layer.MassKept), ShareText.Text(layer.Error),
                }),
            ]);
        page.Close();
    }

    // [layers][heads]
    private static void Map(Markup page, string title, double[][] values, ColourScale scale) => new HeatMap
    {
        Title = title,
        Values = [.. values.Select(static row => row.Select(static value => (double?)value).ToArray())],
        Scale = scale,
        Kinds = ("layer", "head"),
        RowNames = HeatMap.Numbers(values.Length),
        ColumnNames = HeatMap.Numbers(values[0].Length),
    }.ToPicture().WriteFigure(page);
}
