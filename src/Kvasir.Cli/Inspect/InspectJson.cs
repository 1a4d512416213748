using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Inspect;

/// <summary>How what <c>inspect</c> found becomes JSON.</summary>
[JsonSerializable(typeof(InspectReport))]
[JsonSerializable(typeof(StudyReport))]
internal sealed partial class InspectJson : JsonSerializerContext
{
    private static readonly InspectJson Written = new(ReportJson.Style());

    public static string Text(InspectReport report) => JsonSerializer.Serialize(report, Written.InspectReport);

    public static string Text(StudyReport report) => JsonSerializer.Serialize(report, Written.StudyReport);
}
