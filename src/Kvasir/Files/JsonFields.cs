using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Kvasir.Files;

/// <summary>A JSON object of a file by key. A null in the file counts as missing.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The methods are named after what the key holds.")]
internal sealed class JsonFields : IConfigFields
{
    private const long LimitBytes = 16 << 20;
    private const int DepthLimit = 32;

    private readonly string _path;
    private readonly string _prefix;
    private readonly JsonElement _object;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    private JsonFields(string path, string prefix, JsonElement element, Notes notes) => (_path, _prefix, _object, Notes) = (path, prefix, element, notes);

    /// <summary>How this file spells keys that others spell otherwise: usual name to its own. Whoever asks, and every message, is answered by it.</summary>
    public IReadOnlyDictionary<string, string> OwnNames { get; init; } = new Dictionary<string, string>();

    public Notes Notes { get; }

    public bool IsEmpty => _object.GetPropertyCount() == 0;

    /// <summary>Reads a file whose text is one JSON object. A key that occurs twice is refused when it is asked for.</summary>
    public static JsonFields Read(string path, Notes notes)
    {
        var text = JsonFile.Read(path, LimitBytes, notes);
        var root = CheckedJson.Read(path, () =>
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = DepthLimit });
            return document.RootElement.Clone();
        });
        return root.ValueKind == JsonValueKind.Object
            ? new JsonFields(path, "", root, notes)
            : throw new KvasirException(KvasirError.BadFile, $"{path}: is not a JSON object");
    }

    /// <summary>The same object, whose keys are spelled otherwise.</summary>
    public JsonFields Spelled(IReadOnlyDictionary<string, string> ownNames) => new(_path, _prefix, _object, Notes) { OwnNames = ownNames };

    public bool Contains(string key) => TryFind(key, out _);

    /// <summary>Whether the key is there, be it with null.</summary>
    public bool Mentions(string key) => Contains(key) || CheckedJson.Read(_path, () => _object.TryGetProperty(Own(key), out _));

    /// <summary>Whether somebody has asked for the key.</summary>
    public bool IsRead(string key) => _read.Contains(Own(key));

    /// <summary>Keys that nobody has asked for, with their values as the file has them.</summary>
    public (string Key, JsonElement Value)[] Unread() => CheckedJson.Read(
        _path,
        () => _object.EnumerateObject().Where(property => !_read.Contains(property.Name)).Select(static property => (property.Name, property.Value)).ToArray());

    public string? String(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.String, "text");
        return Text(value);
    }

    public long? Integer(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.Number, "an integer");
        if (value.TryGetInt64(out var integer))
            return integer;

        // Some writers spell integers as 8192.0.
        return value.TryGetDouble(out var number) && number == Math.Truncate(number) && Math.Abs(number) <= 1L << 53
            ? (long)number
            : throw Bad(key, $"is {MessageText.Line(value.GetRawText())}; an integer was expected");
    }

    public double? Number(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.Number, "a number");
        return value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Bad(key, $"is {MessageText.Line(value.GetRawText())}; a finite number was expected");
    }

    public bool? Boolean(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            throw Bad(key, $"is {MessageText.Line(value.GetRawText())}; true or false was expected");
        return value.GetBoolean();
    }

    public JsonFields? Object(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.Object, "an object");
        return new JsonFields(_path, $"{_prefix}{key}.", value, Notes);
    }

    public string[]? Strings(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.Array, "an array of text");
        var texts = new List<string>();
        foreach (var item in value.EnumerateArray())
        {
            RequireKind(key, item, JsonValueKind.String, "an array of text");
            texts.Add(Text(item));
        }

        return [.. texts];
    }

    /// <summary>An array of numbers, all finite.</summary>
    public double[]? Numbers(string key)
    {
        if (!TryFind(key, out var value))
            return null;
        RequireKind(key, value, JsonValueKind.Array, "an array of numbers");
        var numbers = new List<double>();
        foreach (var item in value.EnumerateArray())
        {
            RequireKind(key, item, JsonValueKind.Number, "an array of numbers");
            numbers.Add(item.TryGetDouble(out var number) && double.IsFinite(number)
                ? number
                : throw Bad(key, $"holds {MessageText.Line(item.GetRawText())}; finite numbers were expected"));
        }

        return [.. numbers];
    }

    /// <summary>Keys of which the value is an object itself.</summary>
    public string[] ObjectKeys() => CheckedJson.Read(
        _path,
        () => _object.EnumerateObject().Where(static property => property.Value.ValueKind == JsonValueKind.Object)
            .Select(static property => property.Name).ToArray());

    /// <summary>Whether an array under the key holds the integer.</summary>
    public bool ArrayHolds(string key, int integer)
    {
        if (!TryFind(key, out var value) || value.ValueKind != JsonValueKind.Array)
            return false;
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var held) && held == integer)
                return true;
        }

        return false;
    }

    public KvasirException Missing(string key) =>
        new(KvasirError.BadFile, $"{_path}: key {MessageText.Name(_prefix + Own(key))} {(Contains(key) ? ConfigFields.SaysNone : "is missing")}");

    public KvasirException Bad(string key, string problem) => new(KvasirError.BadFile, $"{_path}: key {MessageText.Name(_prefix + Own(key))} {problem}");

    public KvasirException Unsupported(string key, string problem) =>
        new(KvasirError.Unsupported, $"{_path}: key {MessageText.Name(_prefix + Own(key))} {problem}");

    private string Own(string key) => OwnNames.GetValueOrDefault(key, key);

    private bool TryFind(string key, out JsonElement value)
    {
        var own = Own(key);
        _read.Add(own);
        var found = CheckedJson.Read(
            _path, () => _object.EnumerateObject().Where(property => property.NameEquals(own)).Take(2).Select(static property => property.Value).ToArray());
        value = found.Length > 0 ? found[0] : default;
        return found.Length < 2 ? value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) : throw Bad(key, "occurs twice");
    }

    private string Text(JsonElement value) => CheckedJson.Read(_path, () => value.GetString()!);

    private void RequireKind(string key, JsonElement value, JsonValueKind kind, string expected)
    {
        if (value.ValueKind != kind)
            throw Bad(key, $"is {MessageText.Line(value.GetRawText())}; {expected} was expected");
    }
}
