using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.Results;

/// <summary>
/// How evaluations become JSON: one line, camel case, what was not measured left out. What is read back must be whole, and have nothing else in it.
/// </summary>
[JsonSerializable(typeof(EvaluatedSample))]
[JsonSerializable(typeof(StateHeader))]
[JsonSerializable(typeof(EvaluationDocument))]
public sealed partial class EvaluationJson : JsonSerializerContext
{
    // The encoder leaves letters of all scripts as they are; it is unsafe only inside HTML.
    private static readonly EvaluationJson Written = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        // A figure that is no number is a text, so that nothing that took hours is lost for it.
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter<Protocol>(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    });

    public static string Text(EvaluationDocument document) => JsonSerializer.Serialize(document, Written.EvaluationDocument);

    public static string Text(EvaluatedSample sample) => JsonSerializer.Serialize(sample, Written.EvaluatedSample);

    public static string Text(StateHeader header) => JsonSerializer.Serialize(header, Written.StateHeader);

    /// <exception cref="JsonException">It is none.</exception>
    public static EvaluatedSample Sample(ReadOnlySpan<byte> line) =>
        JsonSerializer.Deserialize(line, Written.EvaluatedSample) ?? throw new JsonException("null");

    /// <exception cref="JsonException">It is none.</exception>
    public static StateHeader Header(ReadOnlySpan<byte> line) => JsonSerializer.Deserialize(line, Written.StateHeader) ?? throw new JsonException("null");
}
