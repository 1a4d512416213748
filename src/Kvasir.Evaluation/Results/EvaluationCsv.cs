using System.Globalization;

namespace Kvasir.Evaluation.Results;

/// <summary>Samples as RFC 4180 has tables: a line each, fields in quotes where they need it, numbers that read back the same in any country.</summary>
public static class EvaluationCsv
{
    private static readonly (string Name, Func<EvaluatedSample, string> Text)[] Columns =
    [
        ("task", static sample => sample.Task),
        ("context", static sample => Number(sample.Context)),
        ("prompt_tokens", static sample => Number(sample.PromptTokens)),
        ("protocol", static sample => ProtocolText.Letter(sample.Protocol)),
        ("policy", static sample => sample.Policy),
        ("sample", static sample => Number(sample.Sample)),
        ("depth", static sample => Number(sample.Depth)),
        ("score", static sample => Number(sample.Score)),
        ("divergence", static sample => Number(sample.Divergence)),
        ("loss", static sample => Number(sample.Loss)),
        ("answer", static sample => sample.Answer),
        ("expected", static sample => string.Join('|', sample.Expected)),
        ("answer_tokens", static sample => Number(sample.AnswerTokens)),
        ("expected_tokens", static sample => Number(sample.ExpectedTokens)),
        ("decoded_tokens", static sample => Number(sample.DecodedTokens)),
        ("keys_read", static sample => Number(sample.KeysRead)),
        ("layer_keys_read", static sample => string.Join(' ', sample.LayerKeysRead.Select(static share => Number(share)))),
        ("mass_kept", static sample => Number(sample.MassKept)),
        ("output_error", static sample => Number(sample.OutputError)),
        ("bytes_per_token", static sample => Number(sample.BytesPerToken)),
        ("prompt_ms", static sample => Number(sample.PromptMs)),
        ("decode_ms", static sample => Number(sample.DecodeMs)),
    ];

    public static void Write(IEnumerable<EvaluatedSample> samples, TextWriter output)
    {
        Line(output, Columns.Select(static column => column.Name));
        foreach (var sample in samples)
            Line(output, Columns.Select(column => column.Text(sample)));
    }

    private static void Line(TextWriter output, IEnumerable<string> fields)
    {
        output.Write(string.Join(',', fields.Select(Field)));
        output.Write("\r\n");
    }

    private static string Field(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    // What was not measured, or is no number, is an empty field.
    private static string Number(double? value) => value is { } number && double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "";
}
