using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kvasir.Server.Errors;

namespace Kvasir.Server.Reading;

/// <summary>
/// A value of a request's JSON, which is not null, with the place where it stands. What it is asked for and is not is an error that names the place.
/// </summary>
internal sealed class RequestValue(JsonElement element, RequestPath path, IgnoredFields ignored)
{
    public RequestPath Path => path;

    public bool IsText => element.ValueKind == JsonValueKind.String;

    public bool IsList => element.ValueKind == JsonValueKind.Array;

    public bool IsObject => element.ValueKind == JsonValueKind.Object;

    public bool IsNumber => element.ValueKind == JsonValueKind.Number;

    public string Text() => IsText ? element.GetString()! : throw Wrong("a string");

    /// <summary>A text of 1 to <paramref name="mostBytes"/> bytes of UTF-8.</summary>
    public string ShortText(int mostBytes)
    {
        var text = Text();
        var bytes = Encoding.UTF8.GetByteCount(text);
        return bytes >= 1 && bytes <= mostBytes ? text : throw Refused($"{path} has {bytes} bytes; 1 to {mostBytes} are allowed");
    }

    /// <summary>One of a few words.</summary>
    public string Word(params ReadOnlySpan<string> words)
    {
        var text = Text();
        return words.Contains(text) ? text : throw Refused($"{path} is '{Short(text)}'; {string.Join(", ", words!)} are allowed");
    }

    public bool Flag() => element.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    public double Number(double least, double most)
    {
        if (!IsNumber || !element.TryGetDouble(out var value))
            throw Wrong("a number");
        return value >= least && value <= most ? value : throw Refused($"{path} is {Short(element.GetRawText())}; {least} to {most} are allowed");
    }

    /// <summary>A whole number; 16.0 is one, and "16" is not.</summary>
    public long Whole(long least, long most)
    {
        if (!IsNumber || !element.TryGetDouble(out var number) || Math.Floor(number) != number)
            throw Wrong("a whole number");
        // A double has no place for all digits of 64 bits.
        return element.TryGetDecimal(out var value) && value >= least && value <= most ? (long)value
            : throw Refused($"{path} is {Short(element.GetRawText())}; {least} to {most} are allowed");
    }

    public RequestFields Object() => IsObject ? new RequestFields(element, path, ignored) : throw Wrong("an object");

    /// <summary>The items of a list, none of which may be null.</summary>
    public IReadOnlyList<RequestValue> Items(int most)
    {
        if (!IsList)
            throw Wrong("a list");
        if (element.GetArrayLength() > most)
            throw Refused($"{path} has {element.GetArrayLength()} items; at most {most} are allowed");
        var items = new List<RequestValue>(element.GetArrayLength());
        foreach (var item in element.EnumerateArray())
        {
            var place = path.Item(items.Count);
            items.Add(item.ValueKind != JsonValueKind.Null ? new RequestValue(item, place, ignored)
                : throw new RequestException(ErrorKind.InvalidValue, $"{place} is null", $"{place}"));
        }

        return items;
    }

    /// <summary>A copy that outlives the request's body.</summary>
    public JsonNode Node() => JsonNode.Parse(element.GetRawText())!;

    /// <summary>Says in the answer's header that nobody looked at it.</summary>
    public void Ignore() => ignored.Add(path);

    public RequestException Wrong(string expected) => Refused($"{(path == RequestPath.Root ? "the body" : path)} is {Kind()}; {expected} is expected");

    public RequestException Refused(string message) => new(ErrorKind.InvalidValue, message, path.ToString());

    public RequestException Unsupported(string message) => new(ErrorKind.Unsupported, message, path.ToString());

    /// <summary>At most 100 characters of a text, for messages.</summary>
    public static string Short(string text) => text.Length <= 100 ? text : $"{text.AsSpan(0, char.IsHighSurrogate(text[99]) ? 99 : 100)}...";

    private string Kind() => element.ValueKind switch
    {
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
