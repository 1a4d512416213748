using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Kvasir.Evaluation.Results;

/// <summary>Points as JSON: camel case, what was not measured left out.</summary>
[JsonSerializable(typeof(EvaluationDocument))]
public sealed partial class EvaluationJson : JsonSerializerContext
{
    // The encoder leaves letters of all scripts as they are; it is unsafe only inside HTML.
    private static readonly EvaluationJson Written = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter<Protocol>(JsonNamingPolicy.CamelCase) },
    });

    public static string Text(EvaluationSettings settings, IReadOnlyList<EvaluatedSample> samples) =>
        JsonSerializer.Serialize(new EvaluationDocument(settings, EvaluationPoints.OverTasks(samples), EvaluationPoints.ByTask(samples)), Written.EvaluationDocument);
}
