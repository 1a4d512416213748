using System.Text.Json.Nodes;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Files;

namespace Kvasir.Cli.Inspect;

/// <summary>Values of metadata as JSON, with only the first elements and the count of a long array, and as a line of text.</summary>
internal static class ShortValue
{
    private const int ArrayLimit = 8;
    private const int LineLimitChars = 90;

    /// <summary>A key of a GGUF file. What cannot be decoded is described.</summary>
    public static JsonNode? Of(GgufMetadata metadata, string key)
    {
        var type = metadata.Describe(key)!;
        try
        {
            if (metadata.IsArray(key))
                return OfArray(metadata, key, type[(type.LastIndexOf(' ') + 1)..]);
            return type switch
            {
                "String" => metadata.String(key),
                "Bool" => metadata.Boolean(key),
                "F32" => (float?)metadata.Number(key),
                "F64" => metadata.Number(key),
                _ => metadata.Integer(key),
            };
        }
        catch (KvasirException)
        {
            return $"({type})";
        }
    }

    /// <summary>A value of a JSON file.</summary>
    public static JsonNode? Of(JsonNode? value) => value switch
    {
        JsonArray array => Shortened(array, array.Count),
        JsonObject fields => new JsonObject(fields.Select(static field => KeyValuePair.Create(field.Key, Of(field.Value)))),
        _ => value?.DeepClone(),
    };

    /// <summary>What <see cref="Of(JsonNode)"/> gave, on one line.</summary>
    public static string Line(JsonNode? value) => value switch
    {
        null => "null",
        JsonObject fields when IsShortened(fields, out var first, out var count) => $"[{Elements(first)}, ... {SizeText.Count(count)} in all]",
        JsonArray array => $"[{Elements(array)}]",
        JsonObject fields => Printable.Line($"{{{string.Join(", ", fields.Select(static field => $"{field.Key}: {Line(field.Value)}"))}}}", LineLimitChars),
        _ => Printable.Line(value.ToString(), LineLimitChars),
    };

    private static JsonNode? OfArray(GgufMetadata metadata, string key, string elementType)
    {
        var count = metadata.Count(key)!.Value;
        return elementType switch
        {
            "String" => Shortened(metadata.Strings(key)!, static text => text, count),
            "F32" or "F64" => Shortened(metadata.Numbers(key)!, static number => number, count),
            "Bool" or "Array" => $"({metadata.Describe(key)})",
            _ => Shortened(metadata.Integers(key)!, static integer => integer, count),
        };
    }

    private static JsonNode Shortened<T>(T[] values, Func<T, JsonNode?> node, long count) =>
        Shortened(new JsonArray([.. values.Take(ArrayLimit).Select(node)]), count);

    private static JsonNode Shortened(JsonArray values, long count)
    {
        var first = new JsonArray([.. values.Take(ArrayLimit).Select(Of)]);
        return count <= ArrayLimit ? first : new JsonObject { ["count"] = count, ["first"] = first };
    }

    private static bool IsShortened(JsonObject fields, out JsonArray first, out long count)
    {
        var isShortened = fields is { Count: 2 } && fields["first"] is JsonArray && fields["count"] is JsonValue;
        first = isShortened ? (JsonArray)fields["first"]! : [];
        count = isShortened ? fields["count"]!.GetValue<long>() : 0;
        return isShortened;
    }

    private static string Elements(JsonArray values) => Printable.Line(string.Join(", ", values.Select(Line)), LineLimitChars);
}
