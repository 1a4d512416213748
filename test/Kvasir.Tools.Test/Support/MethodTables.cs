using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Tools.Test.Support;

/// <summary>The tables and the picture of docs/methods.md: what the catalogues say, and what bench/results/methods has measured.</summary>
internal static class MethodTables
{
    private const int Dim = 128;

    // A setting stands in a column if it reads so many times as much, or as little, at most.
    private const double Near = 1.45;
    private const string Distilled = "distilled";
    private static readonly double[] Shares = [0.5, 0.25, 0.1, 0.05];
    private static readonly CostFigure ShareOfBytes = new("share of dense attention's bytes read", static point => point.BytesPerToken, ShareText.Text, IsRelative: true);

    // What is no policy: how rows are stored, or how tokens are guessed.
    private static readonly (string Typed, string Paper, string File)[] Stores =
    [
        ("--kv kivi4, kivi2", "KIVI: Liu et al. 2024, arXiv 2402.02750", "src/Kvasir.Kernels/Attention/Formats/PackedCodec.cs"),
        ("--kv quantspec", "QuantSpec: Tiwari et al. 2025, arXiv 2502.10424", "src/Kvasir.Kernels/Attention/Formats/TwoPlanes.cs"),
        ("--self-draft", "QuantSpec", "src/Kvasir/Requests/Scheduling/DraftSteps.cs"),
        ("--kv-rank", "LoRC: Zhang et al. 2024, arXiv 2410.03111", "src/Kvasir/Models/LowRankValues.cs"),
    ];

    /// <summary>A part of the page.</summary>
    public static string Text(string root, string part) => part switch
    {
        "systems" => Systems(root),
        "formats" => Formats(root),
        "quality" => Quality(root),
        "speed" => Speed(root),
        _ => Commands(root),
    };

    /// <summary>Each method's rule and where it departs from its paper, as its file says, and what its index takes.</summary>
    private static string Systems(string root)
    {
        var text = new StringBuilder("| method | paper | rule, and where it departs from the paper | index, bytes a token and head of 128 |\n|---|---|---|---:|\n");
        foreach (var group in PolicyCatalog.Entries.Where(static entry => IsOurs(entry)).GroupBy(static entry => entry.Effect))
        {
            text.Append(CultureInfo.InvariantCulture, $"| **{group.Key.ToString().ToLowerInvariant()}** | | | |\n");
            foreach (var entry in group)
            {
                var bytes = new PolicySpec(entry).Create().IndexBytesPerToken(Dim);
                var type = entry.Create(new PolicySpec(entry)).GetType().Name;
                var file = Directory.EnumerateFiles(Path.Combine(root, "src", "Kvasir", "Attention"), $"{type}.cs", SearchOption.AllDirectories).Single();
                text.Append(CultureInfo.InvariantCulture, $"| `{entry.Name}` | {entry.Paper} | {Summary(file)} | {(bytes > 0 ? Number(bytes) : "-")} |\n");
            }
        }

        foreach (var (typed, paper, file) in Stores)
            text.Append(CultureInfo.InvariantCulture, $"| `{typed}` | {paper} | {Summary(Path.Combine(root, file))} | - |\n");
        return text.ToString();
    }

    /// <summary>How rows are stored, with what the formats lose.</summary>
    private static string Formats(string root)
    {
        var points = Points(root).Where(static found => found.Point.Policy == "dense").ToArray();
        var text = new StringBuilder("| format | what it is | bytes of `bf16` |");
        var columns = points.Select(static found => (found.Point.Context, found.Point.Protocol)).Distinct().Order().ToArray();
        foreach (var (context, protocol) in columns)
            text.Append(CultureInfo.InvariantCulture, $" score, {Name(protocol)}, {context / 1024}k |");
        text.Append('\n').Append("|---|---|---:|").Append(string.Concat(columns.Select(static _ => "---:|"))).Append('\n');
        foreach (var format in KvFormat.Table)
        {
            var share = format.Page(Dim, PagePool.PageTokens).Bytes / (double)KvFormat.BF16.Page(Dim, PagePool.PageTokens).Bytes;
            text.Append(CultureInfo.InvariantCulture, $"| `{format.Name}` | {format.Help} | {Percent(share)} |");
            foreach (var (context, protocol) in columns)
            {
                var found = points.FirstOrDefault(found => found.Run == format.Name && found.Point.Context == context && found.Point.Protocol == protocol);
                text.Append(found.Point is null ? " - |" : $" {Score(found.Point)} |");
            }

            text.Append('\n');
        }

        foreach (var together in Points(root).Where(static found => IsTogether(found.Run, found.Point)).GroupBy(static found => (found.Run, found.Point.Policy)))
        {
            var (name, help) = together.Key.Run == "rank" ? ("--kv-rank 32", "values of 32 elements of 64, over `bf16`") : ($"kivi4` and `{together.Key.Policy}", "both together");
            var first = together.First().Point;
            var dense = points.First(found => found.Run == "bf16" && found.Point.Context == first.Context && found.Point.Protocol == first.Protocol).Point;
            text.Append(CultureInfo.InvariantCulture, $"| `{name}` | {help} | {Percent(first.BytesPerToken!.Value / dense.BytesPerToken!.Value)} |");
            foreach (var (context, protocol) in columns)
            {
                var found = together.FirstOrDefault(found => found.Point.Context == context && found.Point.Protocol == protocol);
                text.Append(found.Point is null ? " - |" : $" {Score(found.Point)} |");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>A table for each length and protocol: a method a row, a share of bytes a column.</summary>
    private static string Quality(string root)
    {
        var text = new StringBuilder();
        foreach (var panel in Compared(root).GroupBy(static point => (point.Context, point.Protocol)).OrderBy(static panel => panel.Key))
        {
            var dense = panel.First(static point => point.Policy == PairedDifference.Dense);
            text.Append(
                CultureInfo.InvariantCulture,
                $"{panel.Key.Context} tokens, protocol {Name(panel.Key.Protocol)}, {dense.SampleCount} samples; dense attention {Score(dense)}:\n\n| method | 50% | 25% | 10% | 5% | at other shares |\n|---|---:|---:|---:|---:|---|\n");
            foreach (var family in panel.Where(static point => point.Policy != PairedDifference.Dense).GroupBy(static point => point.Family))
            {
                var cells = Shares.Select(share => Cell([.. family], share)).ToArray();
                text.Append(CultureInfo.InvariantCulture, $"| `{family.Key}` | {string.Join(" | ", cells)} | {Others([.. family])} |\n");
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    /// <summary>Every setting's score against the bytes that it reads.</summary>
    public static string Picture(string root)
    {
        var points = Compared(root);
        return SvgSheet.Text(
            "Quality against bytes read", QualityPlots.Of(points, ShareOfBytes), [.. SeriesLook.Of(points.Select(static point => point.Family)).Values], columns: 2);
    }

    /// <summary>The commands that measured, for the page.</summary>
    private static string Commands(string root)
    {
        var runs = Runs(root).Select(static run => (Machine: Text(run, "machine"), Command: Text(run, "command"))).ToArray();
        return $"Measured on {string.Join("; ", runs.Select(static run => run.Machine).Distinct())}, in {runs.Length} runs, whose commands "
            + "`bench/results/methods/quality.json` has.\n";

        static string Text(JsonElement run, string name) => run.GetProperty("settings").GetProperty(name).GetString()!;
    }

    // Attention of a decode step in one layer; what a policy takes to choose is in it.
    private static string Speed(string root)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, "bench", "results", "methods", "speed.json")));
        var runs = file.RootElement.GetProperty("runs").EnumerateArray().ToArray();
        var rows = runs.SelectMany(static run => run.GetProperty("results").EnumerateArray()).ToArray();
        var text = new StringBuilder("| over | read | ms a layer | of that choosing | times as fast as dense over bf16 |\n|---|---:|---:|---:|---:|\n");
        foreach (var (run, row) in runs.SelectMany(static run => run.GetProperty("results").EnumerateArray().Select(row => (run, row))))
        {
            // Each policy beside the dense step of its own run, formats beside the first.
            var dense = (run.GetProperty("results").GetArrayLength() > 1 ? run : runs[0]).GetProperty("results")[0].GetProperty("attentionMsPerLayer").GetDouble();
            var (attention, kv) = (row.GetProperty("attention").GetString()!, row.GetProperty("kv").GetString()!);
            var (ms, read) = (row.GetProperty("attentionMsPerLayer").GetDouble(), row.GetProperty("keysReadShare").GetDouble());
            var choosing = row.GetProperty("selectionMsPerLayer").GetDouble();
            ms += choosing;
            var over = attention == "dense" ? kv : attention.Replace(":dense-layers=none", "", StringComparison.Ordinal);
            var share = choosing > 0 ? choosing.ToString("0.00", CultureInfo.InvariantCulture) : "-";
            text.Append(CultureInfo.InvariantCulture, $"| `{over}` | {Percent(read)} | {ms:0.00} | {share} | {dense / ms:0.0} |\n");
        }

        var machine = runs[0].GetProperty("machine");
        return text.Append(CultureInfo.InvariantCulture, $"\n{machine.GetProperty("cpu").GetString()}, {rows[0].GetProperty("threads").GetInt32()} threads, {rows[0].GetProperty("depth").GetInt32()} tokens of an 8B shape.\n").ToString();
    }

    // Of methods over bf16, with bytes as a share of dense attention's.
    private static EvaluationPoint[] Compared(string root)
    {
        var points = Points(root).Where(IsCompared).Select(static found => found.Run == Distilled ? found.Point with { Policy = DistilledName(found.Point.Policy) } : found.Point).ToArray();
        var dense = points.Where(static point => point.Policy == PairedDifference.Dense).ToDictionary(static point => (point.Context, point.Protocol));
        return [.. points.Select(point => point with { BytesPerToken = point.BytesPerToken / dense[(point.Context, point.Protocol)].BytesPerToken })];
    }

    private static IEnumerable<(string Run, EvaluationPoint Point)> Points(string root) =>
        from run in Runs(root)
        let name = run.GetProperty("name").GetString()!
        from found in run.GetProperty("points").EnumerateArray()
        select (name, Read(found));

    private static JsonElement[] Runs(string root)
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(root, "bench", "results", "methods", "quality.json")));
        return [.. file.RootElement.GetProperty("runs").EnumerateArray().Select(static run => run.Clone())];
    }

    private static EvaluationPoint Read(JsonElement found) => new()
    {
        Context = found.GetProperty("context").GetInt32(),
        Protocol = Enum.Parse<Protocol>(found.GetProperty("protocol").GetString()!, ignoreCase: true),
        Policy = found.GetProperty("policy").GetString()!,
        SampleCount = found.GetProperty("samples").GetInt32(),
        Score = found.GetProperty("score").GetDouble(),
        Difference = found.TryGetProperty("difference", out var mean)
            ? new PairedDifference(found.GetProperty("samples").GetInt32(), mean.GetDouble(), Bound(found, "low"), Bound(found, "high"))
            : null,
        KeysRead = found.GetProperty("keysRead").GetDouble(),
        LayerKeysRead = [],
        BytesPerToken = found.GetProperty("bytesPerToken").GetDouble(),
    };

    private static double? Bound(JsonElement found, string name) => found.TryGetProperty(name, out var bound) ? bound.GetDouble() : null;

    // Over bf16; of runs over other models or files, whose dense attention stands there already, the rest.
    private static bool IsCompared((string Run, EvaluationPoint Point) found) =>
        found.Run == "bf16" || (found.Run is "calibrated" or Distilled && found.Point.Policy != PairedDifference.Dense);

    // Over other matrices than its namesake's points.
    private static string DistilledName(string policy) => policy.Replace("had", "had, distilled", StringComparison.Ordinal);

    // What goes beside a format: fewer elements of values, or rows that are dropped.
    private static bool IsTogether(string run, EvaluationPoint point) => run == "rank" || (run == "kivi4-dropped" && point.Policy != PairedDifference.Dense);

    // The nearest setting, and what it read where that is not what the column says.
    private static string Cell(EvaluationPoint[] settings, double share)
    {
        var nearest = settings.MinBy(point => Math.Abs(Math.Log(point.BytesPerToken!.Value / share)))!;
        var factor = nearest.BytesPerToken!.Value / share;
        if (factor is > Near or < 1 / Near)
            return "-";
        return factor is > 1.1 or < 0.9 ? $"{Score(nearest)} ({Percent(nearest.BytesPerToken.Value)})" : Score(nearest);
    }

    private static string Others(EvaluationPoint[] settings) => string.Join(
        ", ",
        settings.Where(point => Shares.All(share => point.BytesPerToken / share is > Near or < 1 / Near))
            .Select(static point => $"`{point.Policy[point.Family.Length..].TrimStart(':').Replace(",dense-layers=none", "").Replace("dense-layers=none", "")}` {Score(point)} ({Percent(point.BytesPerToken!.Value)})".Replace("`` ", "")));

    private static string Score(EvaluationPoint point) => (100 * point.Score!.Value).ToString("0.0", CultureInfo.InvariantCulture);

    private static string Percent(double share) => (100 * share).ToString("0.#", CultureInfo.InvariantCulture) + "%";

    private static bool IsOurs(PolicyEntry entry) => entry.Create.Method.Module.Assembly == typeof(PolicyCatalog).Assembly;

    // What a file says of its type, without marks; addresses of papers stand in a column of their own.
    private static string Summary(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        var code = File.ReadAllText(file);
        var declared = Regex.Match(code, $@"\b(?:class|struct|record) {name}\b").Index;
        var first = code.LastIndexOf("/// <summary>", declared, StringComparison.Ordinal) + "/// <summary>".Length;
        var text = code[first..code.IndexOf("</summary>", first, StringComparison.Ordinal)];
        text = Regex.Replace(text, @"<(?:see|paramref) \w+=""(?:[\w.]*\.)?(\w+)(?:\{[^}]*\})?""\s*/>", "$1");
        text = Regex.Replace(text, "</?[a-z]+>", "");
        text = Regex.Replace(text.Replace("///", " ", StringComparison.Ordinal), @"\s*\((?:[^()]*, )?arXiv [\d.]+(?:, )?([^()]*)\)", static found => found.Groups[1].Length > 0 ? $" ({found.Groups[1].Value})" : "");
        return Regex.Replace(text, @"\s+", " ").Trim().Replace("|", "\\|", StringComparison.Ordinal);
    }

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    private static string Name(Protocol protocol) => protocol == Protocol.QuestionDense ? "A" : "B";
}
