using System.Text.Json;

namespace Kvasir.Evaluation.Files;

/// <summary>An object of a JSONL file that knows where it stands, so that what is wrong with it is reported with file and line.</summary>
/// <param name="File">The path.</param>
/// <param name="Number">Of the line, from 1 on.</param>
/// <param name="Fields">An object.</param>
internal readonly record struct JsonLine(string File, int Number, JsonElement Fields)
{
    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>The text of the first of these fields that is there and not null; null where none is.</summary>
    public string? FindText(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is { } value)
                return value.ValueKind == JsonValueKind.String ? Text(name, value) : throw Bad($"{name} is {Shown(value)}, and text is expected");
        }

        return null;
    }

    /// <summary>As <see cref="FindText"/>; one must be there, and say something.</summary>
    public string Text(params ReadOnlySpan<string> names) => FindText(names) switch
    {
        null => throw Bad($"has no field {string.Join(" or ", names!)}"),
        "" => throw Bad($"has an empty {string.Join(" or ", names!)}"),
        var text => text,
    };

    /// <summary>The texts of the first of these fields that is there: a string, a number, or an array of them. None is empty.</summary>
    public string[] Texts(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Find(name) is not { } value)
                continue;
            string[] texts = value.ValueKind == JsonValueKind.Array ? TextsOf(name, value) : [Text(name, value)];
            return texts.Length > 0 && !texts.Contains("") ? texts : throw Bad($"{name} is empty, or holds an empty text");
        }

        throw Bad($"has no field {string.Join(" or ", names!)}");
    }

    /// <summary>A whole number of 1 to 2^20; null where the field is missing.</summary>
    public int? FindCount(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Number } value when value.TryGetInt32(out var count) && count is >= 1 and <= 1 << 20 => count,
        { } value => throw Bad($"{name} is {Shown(value)}, and a whole number of 1 to {1 << 20} is expected"),
    };

    public KvasirException Bad(string what) => new(KvasirError.BadFile, $"{File}:{Number}: {what}");

    private static string Shown(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        _ => value.GetRawText() is var text && text.Length <= 40 ? text : $"{text[..40]}...",
    };

    private JsonElement? Find(string name) => Fields.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private string[] TextsOf(string name, JsonElement array)
    {
        var texts = new List<string>();
        foreach (var value in array.EnumerateArray())
            texts.Add(Text(name, value));
        return [.. texts];
    }

    private string Text(string name, JsonElement value)
    {
        try
        {
            return value.ValueKind switch
            {
                JsonValueKind.String => value.GetString()!,
                JsonValueKind.Number => value.GetRawText(),
                _ => throw Bad($"{name} holds {Shown(value)}, and text is expected"),
            };
        }
        catch (InvalidOperationException exception)
        {
            // How the reader reports half of a surrogate pair.
            throw new KvasirException(KvasirError.BadFile, $"{File}:{Number}: {name} is not valid text", exception);
        }
    }
}
