using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;

namespace Kvasir.Cli.Tune;

/// <summary>How a search becomes JSON.</summary>
[JsonSerializable(typeof(TuneReport))]
internal sealed partial class TuneJson : JsonSerializerContext
{
    private static readonly TuneJson Written = new(ReportJson.Style());

    public static string Text(TuneReport report) => JsonSerializer.Serialize(report, Written.TuneReport);
}
