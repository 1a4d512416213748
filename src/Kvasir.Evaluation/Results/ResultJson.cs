using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.Results;

/// <summary>How results become JSON: one line, camel case, what is not known left out.</summary>
[JsonSerializable(typeof(EvaluatedSample))]
[JsonSerializable(typeof(StateHeader))]
[JsonSerializable(typeof(EvaluationReport))]
internal sealed partial class ResultJson : JsonSerializerContext
{
    // The encoder leaves letters of all scripts as they are; it is unsafe only inside HTML.
    private static readonly ResultJson Written = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter<Protocol>(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    });

    public static string Text(EvaluatedSample sample) => JsonSerializer.Serialize(sample, Written.EvaluatedSample);

    public static string Text(StateHeader header) => JsonSerializer.Serialize(header, Written.StateHeader);

    public static string Text(EvaluationReport report) => JsonSerializer.Serialize(report, Written.EvaluationReport);

    /// <exception cref="JsonException">It is none.</exception>
    public static EvaluatedSample Sample(ReadOnlySpan<byte> line) => JsonSerializer.Deserialize(line, Written.EvaluatedSample) ?? throw new JsonException("null");

    /// <exception cref="JsonException">It is none.</exception>
    public static StateHeader Header(ReadOnlySpan<byte> line) => JsonSerializer.Deserialize(line, Written.StateHeader) ?? throw new JsonException("null");
}
