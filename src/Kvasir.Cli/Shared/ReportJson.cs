using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Bench;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Inspect;
using Kvasir.Cli.Policies;
using Kvasir.Cli.Tune;

namespace Kvasir.Cli.Shared;

/// <summary>How reports become JSON: one line, camel case, what is not known left out.</summary>
[JsonSerializable(typeof(AnswerReport))]
[JsonSerializable(typeof(InspectReport))]
[JsonSerializable(typeof(ErrorReport))]
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(PoliciesReport))]
[JsonSerializable(typeof(StudyReport))]
[JsonSerializable(typeof(TuneReport))]
[JsonSerializable(typeof(DemoReport))]
internal sealed partial class ReportJson : JsonSerializerContext
{
    // The encoder leaves letters of all scripts as they are; it is unsafe only inside HTML.
    private static readonly ReportJson Written = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    public static string Text(AnswerReport report) => JsonSerializer.Serialize(report, Written.AnswerReport);

    public static string Text(InspectReport report) => JsonSerializer.Serialize(report, Written.InspectReport);

    public static string Text(BenchReport report) => JsonSerializer.Serialize(report, Written.BenchReport);

    public static string Text(PoliciesReport report) => JsonSerializer.Serialize(report, Written.PoliciesReport);

    public static string Text(StudyReport report) => JsonSerializer.Serialize(report, Written.StudyReport);

    public static string Text(TuneReport report) => JsonSerializer.Serialize(report, Written.TuneReport);

    public static string Text(DemoReport report) => JsonSerializer.Serialize(report, Written.DemoReport);

    public static string Text(ErrorReport report) => JsonSerializer.Serialize(report, Written.ErrorReport);

    /// <summary>An enumeration's value as JSON spells it.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
