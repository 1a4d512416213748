using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Demo;

/// <summary>How a demonstration becomes JSON.</summary>
[JsonSerializable(typeof(DemoReport))]
internal sealed partial class DemoJson : JsonSerializerContext
{
    private static readonly DemoJson Written = new(ReportJson.Style());

    public static string Text(DemoReport report) => JsonSerializer.Serialize(report, Written.DemoReport);
}
