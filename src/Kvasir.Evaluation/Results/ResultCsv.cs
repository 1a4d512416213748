using System.Globalization;

namespace Kvasir.Evaluation.Results;

/// <summary>Rows of results for spreadsheets and plots: commas between, a first line of titles, nothing where nothing was measured.</summary>
public static class ResultCsv
{
    private static readonly (string Title, Func<ResultRow, string?> Cell)[] Columns =
    [
        ("task", static row => row.Task),
        ("context", static row => Text(row.Context)),
        ("protocol", static row => row.Protocol.Letter().ToString()),
        ("policy", static row => row.Policy),
        ("samples", static row => Text(row.Samples)),
        ("score", static row => Text(row.Score)),
        ("difference", static row => Text(row.Difference?.Mean)),
        ("difference_low", static row => Text(row.Difference?.Low)),
        ("difference_high", static row => Text(row.Difference?.High)),
        ("keys_read", static row => Text(row.KeysRead)),
        ("prompt_ms", static row => Text(row.PromptMs)),
        ("ms_per_token", static row => Text(row.MsPerToken)),
        ("bytes_per_token", static row => Text(row.BytesPerToken)),
        ("mass_kept", static row => Text(row.MassKept)),
        ("output_error", static row => Text(row.OutputError)),
        ("divergence", static row => Text(row.Divergence)),
        ("loss", static row => Text(row.Loss)),
    ];

    public static void Write(IReadOnlyList<ResultRow> rows, TextWriter output)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(output);
        output.WriteLine(string.Join(',', Columns.Select(static column => column.Title)));
        foreach (var row in rows)
            output.WriteLine(string.Join(',', Columns.Select(column => Quoted(column.Cell(row) ?? ""))));
    }

    private static string Text(double number) => number.ToString("R", CultureInfo.InvariantCulture);

    private static string? Text(double? number) => number is { } known ? Text(known) : null;

    private static string Quoted(string cell) =>
        cell.AsSpan().IndexOfAny(",\"\r\n") < 0 ? cell : $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
