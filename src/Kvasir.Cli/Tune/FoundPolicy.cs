using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;

namespace Kvasir.Cli.Tune;

/// <summary>The policy file that a tuning writes: the policy, and how it was found.</summary>
internal static class FoundPolicy
{
    /// <param name="report">That has a best setting.</param>
    /// <param name="samples">In words.</param>
    /// <param name="commandLine">That does it again.</param>
    public static void Write(string path, TuneReport report, string samples, string commandLine)
    {
        var best = report.Best!;
        ReportFile.Write(path, writer =>
        {
            writer.WriteLine(
                $"# Found by kvasir tune on {DateTime.Now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}, "
                    + $"kvasir {VersionText.Informational}, for {Printable.Line(report.Model)}:");
            writer.WriteLine(
                $"# {(report.By == "time" ? "the least time a token" : "the fewest keys read")} of all "
                    + $"settings that keep {ShareText.Text(report.Target)} of {Printable.Line(report.Measure)}.");
            writer.WriteLine($"# On {Printable.Line(samples)} it keeps {TuneTable.Figures(best)};");
            writer.WriteLine($"# dense attention takes {TuneTable.Time(report.Dense)}. It was:");
            writer.WriteLine($"# {Printable.Line(commandLine)}");
            writer.WriteLine(best.Policy);
        });
    }
}
