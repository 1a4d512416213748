using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Policies;

/// <summary>How the catalogue becomes JSON.</summary>
[JsonSerializable(typeof(PoliciesReport))]
internal sealed partial class PoliciesJson : JsonSerializerContext
{
    private static readonly PoliciesJson Written = new(ReportJson.Style());

    public static string Text(PoliciesReport report) => JsonSerializer.Serialize(report, Written.PoliciesReport);
}
