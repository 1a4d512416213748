using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Bench;

/// <summary>How measurements become JSON.</summary>
[JsonSerializable(typeof(BenchReport))]
internal sealed partial class BenchJson : JsonSerializerContext
{
    private static readonly BenchJson Written = new(ReportJson.Style());

    public static string Text(BenchReport report) => JsonSerializer.Serialize(report, Written.BenchReport);
}
