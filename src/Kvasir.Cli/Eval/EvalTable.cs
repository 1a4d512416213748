using System.Globalization;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;

namespace Kvasir.Cli.Eval;

/// <summary>
/// An <see cref="EvaluationDocument"/> for people: a row for each task, length, protocol and policy; then all tasks together, where there are several.
/// </summary>
internal static class EvalTable
{
    private const string AllTasks = "all tasks";
    private const string None = "-";
    private const double MegaByte = 1e6;

    private static readonly (string Title, Func<EvaluationPoint, string?> Cell)[] Columns =
    [
        ("task", static row => row.Task ?? AllTasks),
        ("context", static row => SizeText.Count(row.Context)),
        ("protocol", static row => ProtocolText.Letter(row.Protocol)),
        ("policy", static row => Printable.Line(row.Policy)),
        ("samples", static row => SizeText.Count(row.SampleCount)),
        ("score", static row => row.Score is { } score ? Score(score) : null),
        ("from dense", static row => row.Difference is { } difference ? Signed(difference.Mean) : null),
        ("95% interval", static row => row.Difference is { Low: { } low, High: { } high } ? $"{Signed(low)} to {Signed(high)}" : null),
        ("divergence", static row => row.Divergence is { } nats ? Nats(nats) : null),
        ("loss", static row => row.Loss is { } nats ? Nats(nats) : null),
        ("perplexity", static row => row.Loss is { } nats ? Number(Math.Exp(nats)) : null),
        ("keys read", static row => row.KeysRead is { } share ? ShareText.Text(share) : null),
        ("ms/token", static row => row.MsPerToken is { } ms ? Number(ms) : null),
        ("MB/token", static row => row.BytesPerToken is { } bytes ? Number(bytes / MegaByte) : null),
        ("mass kept", static row => row.MassKept is { } mass ? ShareText.Text(mass) : null),
        ("output error", static row => row.OutputError is { } error ? ShareText.Text(error) : null),
    ];

    /// <summary>As 0.875.</summary>
    public static string Score(double score) => score.ToString("0.000", CultureInfo.InvariantCulture);

    public static void Write(EvaluationDocument document, TextWriter output)
    {
        var settings = document.Settings;
        EvaluationPoint[] rows = [.. document.Tasks, .. document.Tasks.Select(static row => row.Task).Distinct().Count() > 1 ? document.Overall : []];
        // What nobody measured has no column.
        var columns = Array.FindAll(Columns, column => rows.Any(row => column.Cell(row) is not null));
        new TextSections(output).Write(
            $"{Printable.Line(settings.Model)}, KV {settings.Kv}, {settings.Threads} {(settings.Threads == 1 ? "thread" : "threads")}, "
                + $"seed {settings.Seed}{(document.Partial == true ? ", interrupted: not all samples" : "")}",
            [[.. columns.Select(static column => column.Title)], .. rows.Select(row => columns.Select(column => column.Cell(row) ?? None).ToArray())]);
        output.WriteLine();
        foreach (var protocol in rows.Select(static row => row.Protocol).Distinct().Order())
            output.WriteLine($"{ProtocolText.Title(protocol)}: {ProtocolText.Meaning(protocol)}");
        output.WriteLine(
            "from dense: on the same samples, with the 95% confidence interval by Student's t, but for less than ten that all differ by the same; "
                + "ms and MB of keys, values and index are of a token under the policy.");
        foreach (var meaning in FigureMeaning.Of(rows))
            output.WriteLine(meaning);
        AnswerLengths.Write(document.Samples, output);
    }

    private static string Nats(double nats) => nats.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Signed(double difference) => difference.ToString("+0.000;-0.000;0.000", CultureInfo.InvariantCulture);

    private static string Number(double value) =>
        value.ToString(value >= 99.95 ? "F0" : value >= 9.995 ? "F1" : value >= 0.9995 ? "F2" : "F4", CultureInfo.InvariantCulture);
}
