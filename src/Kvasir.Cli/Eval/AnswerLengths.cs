using System.Globalization;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;

namespace Kvasir.Cli.Eval;

/// <summary>How long policies' own answers are beside dense attention's; nothing where no answer was decoded.</summary>
internal static class AnswerLengths
{
    public static void Write(IReadOnlyList<EvaluatedSample> samples, TextWriter output)
    {
        var rows = samples.Where(static sample => sample is { AnswerTokens: not null, Policy: not PairedDifference.Dense })
            .GroupBy(static sample => (sample.Protocol, sample.Policy)).ToArray();
        if (rows.Length == 0)
            return;
        output.WriteLine();
        new TextSections(output).Write(
            "answers decoded freely",
            [
                ["protocol", "policy", "tokens", "dense attention's", "equal answers"],
                .. rows.Select(static row => new[]
                {
                    ProtocolText.Letter(row.Key.Protocol),
                    Printable.Line(row.Key.Policy),
                    Mean(row.Average(static sample => sample.AnswerTokens)),
                    Mean(row.Average(static sample => sample.ExpectedTokens)),
                    ShareText.Text(row.Average(static sample => sample.Answer == sample.Expected[0] ? 1.0 : 0)),
                }),
            ]);
    }

    private static string Mean(double? tokens) => tokens?.ToString("0.0", CultureInfo.InvariantCulture) ?? "-";
}
