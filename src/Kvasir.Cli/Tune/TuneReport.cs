using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Cli.Shared;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary>What a tuning measured and found.</summary>
/// <param name="Measure">What is kept, in words.</param>
/// <param name="By">What the best has least of: keys or time.</param>
/// <param name="Partial">True where it was interrupted.</param>
/// <param name="Best">Null where nothing keeps the target.</param>
internal sealed record TuneReport(
    string Model, string Measure, double Target, string By, bool? Partial, TunedPoint Dense, IReadOnlyList<TunedPoint> Points, TunedPoint? Best);

/// <summary>How a search becomes JSON.</summary>
[JsonSerializable(typeof(TuneReport))]
internal sealed partial class TuneJson : JsonSerializerContext
{
    private static readonly TuneJson Written = new(ReportJson.Style());

    public static string Text(TuneReport report) => JsonSerializer.Serialize(report, Written.TuneReport);
}
