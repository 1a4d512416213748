using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary>A <see cref="TuneReport"/> for people: a row for each setting that was measured.</summary>
internal static class TuneTable
{
    public static void Write(TuneReport report, TextWriter output) => new TextSections(output).Write(
        $"{Printable.Line(report.Model)}: {Printable.Line(report.Measure)}, "
            + $"target {ShareText.Text(report.Target)}{(report.Partial == true ? ", interrupted: not all settings" : "")}",
        [
            ["policy", "kept", "95% interval", "keys read", "ms/token", "target"],
            Row(report.Dense, report, "-"), .. report.Points.Select(point => Row(point, report, "missed")),
        ]);

    /// <summary>As "99.3% (95% interval 98.9% to 99.7%), 4.2% of the keys, 12.3 ms a token".</summary>
    public static string Figures(TunedPoint point) =>
        $"{ShareText.Text(point.Kept)}{(Interval(point) is { } interval ? $" (95% interval {interval})" : "")}, "
            + $"{ShareText.Text(point.KeysRead)} of the keys, {Time(point)}";

    /// <summary>As "1.02 ms a token".</summary>
    public static string Time(TunedPoint point) => point.MsPerToken is { } ms ? $"{Ms(ms)} ms a token" : "no time a token";

    private static string[] Row(TunedPoint point, TuneReport report, string missed) =>
    [
        Printable.Line(point.Policy),
        ShareText.Text(point.Kept),
        Interval(point) ?? "-",
        ShareText.Text(point.KeysRead),
        point.MsPerToken is { } ms ? Ms(ms) : "-",
        point == report.Best ? "kept, cheapest" : point != report.Dense && point.Kept >= report.Target ? "kept" : missed,
    ];

    private static string? Interval(TunedPoint point) => point is { Low: { } low, High: { } high } ? $"{ShareText.Text(low)} to {ShareText.Text(high)}" : null;

    private static string Ms(double ms) => ms.ToString(ms >= 9.995 ? "F1" : ms >= 0.9995 ? "F2" : "F4", CultureInfo.InvariantCulture);
}
