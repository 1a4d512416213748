using System.Globalization;
using Kvasir.Cli.Inspection;
using Kvasir.Cli.Options;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Cli.Evaluating;

/// <summary>An <see cref="EvaluationReport"/> for people: a row for each task, length, protocol and policy.</summary>
internal static class EvalTable
{
    private const string None = "-";
    private const double MegaByte = 1e6;

    private static readonly (string Title, Func<ResultRow, string?> Cell)[] Columns =
    [
        ("task", static row => row.Task),
        ("context", static row => SizeText.Count(row.Context)),
        ("protocol", static row => row.Protocol.Letter().ToString()),
        ("policy", static row => Printable.Line(row.Policy)),
        ("samples", static row => SizeText.Count(row.Samples)),
        ("score", static row => Score(row.Score)),
        ("from dense", static row => row.Difference is { } difference ? Signed(difference.Mean) : null),
        ("95% interval", static row => row.Difference is { Low: { } low, High: { } high } ? $"{Signed(low)} to {Signed(high)}" : null),
        ("divergence", static row => row.Divergence is { } nats ? Nats(nats) : null),
        ("loss", static row => row.Loss is { } nats ? Nats(nats) : null),
        ("perplexity", static row => row.Loss is { } nats ? Number(Math.Exp(nats)) : null),
        ("keys read", static row => Share.Text(row.KeysRead)),
        ("ms/token", static row => row.MsPerToken is { } ms ? Number(ms) : null),
        ("MB/token", static row => row.BytesPerToken is { } bytes ? Number(bytes / MegaByte) : null),
        ("mass kept", static row => row.MassKept is { } mass ? Share.Text(mass) : null),
        ("output error", static row => row.OutputError is { } error ? Share.Text(error) : null),
    ];

    /// <summary>As 0.875.</summary>
    public static string Score(double score) => score.ToString("0.000", CultureInfo.InvariantCulture);

    public static void Write(EvaluationReport report, TextWriter output)
    {
        var settings = report.Settings;
        // What nobody measured has no column.
        var columns = Array.FindAll(Columns, column => report.Rows.Any(row => column.Cell(row) is not null));
        new Sections(output).Write(
            $"{Printable.Line(settings.Model)}, KV {settings.Kv}, {settings.Threads} {(settings.Threads == 1 ? "thread" : "threads")}, seed {settings.Seed}{(report.Partial == true ? ", interrupted: not all samples" : "")}",
            [[.. columns.Select(static column => column.Title)], .. report.Rows.Select(row => columns.Select(column => column.Cell(row) ?? None).ToArray())]);
        output.WriteLine();
        foreach (var protocol in report.Rows.Select(static row => row.Protocol).Distinct().Order())
            output.WriteLine($"protocol {protocol.Letter()}: {Meaning(protocol)}");
        output.WriteLine("from dense: on the same samples, with the 95% confidence interval by Student's t; ms and MB of keys, values and index are of a token under the policy.");
        if (report.Rows.Any(static row => row.Divergence is not null))
            output.WriteLine("score: the share of tokens that dense attention puts first too; divergence: Kullback-Leibler, of the next token from dense attention's, nats a token.");
        if (report.Rows.Any(static row => row.Loss is not null))
            output.WriteLine("score: the share of the text's tokens that come first; loss: nats a token; perplexity: its exponential.");
        AnswerLengths.Write(report.Samples, output);
    }

    private static string Meaning(Protocol protocol) => protocol == Protocol.QuestionDense
        ? "context, question and the answer's beginning are computed densely; the answer is decoded under the policy."
        : "the context is computed densely; question, the answer's beginning and the answer are fed under the policy.";

    private static string Nats(double nats) => nats.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Signed(double difference) => difference.ToString("+0.000;-0.000;0.000", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString(value >= 99.95 ? "F0" : value >= 9.995 ? "F1" : value >= 0.9995 ? "F2" : "F4", CultureInfo.InvariantCulture);
}
