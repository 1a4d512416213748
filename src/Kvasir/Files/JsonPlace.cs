using System.Text.Json;

namespace Kvasir.Files;

/// <summary>A value in a JSON file that knows where it stands, so that a wrong type is reported with file and key.</summary>
internal readonly struct JsonPlace
{
    private const long LimitBytes = 256L << 20;

    private readonly string _file;

    private readonly string _key;

    private readonly JsonElement _value;

    private JsonPlace(string file, string key, JsonElement value) => (_file, _key, _value) = (file, key, value);

    public JsonValueKind Kind => _value.ValueKind;

    public int Count => _value.GetArrayLength();

    /// <summary>The root of a file, which stays readable for as long as this value lives.</summary>
    /// <exception cref="KvasirException">No such file, larger than 256 MiB, or no JSON.</exception>
    public static JsonPlace Load(string file, Notes notes)
    {
        var text = JsonFile.Read(file, LimitBytes, notes);
        return new JsonPlace(file, "", CheckedJson.Read(file, () =>
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }));
    }

    /// <summary>As <see cref="Load"/>; null where there is no such file.</summary>
    public static JsonPlace? LoadIfThere(string file, Notes notes) => File.Exists(file) ? Load(file, notes) : null;

    /// <summary>The value of a key that must be there.</summary>
    public JsonPlace Get(string key) => Find(key) ?? throw Bad($"has no key {MessageText.Name(key)}");

    /// <summary>The value of a key; null where it is missing or null.</summary>
    public JsonPlace? Find(string key)
    {
        Require(JsonValueKind.Object, "an object");
        return _value.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? new JsonPlace(_file, Join(key), value) : null;
    }

    public string Text()
    {
        Require(JsonValueKind.String, "a string");
        try
        {
            return _value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new KvasirException(KvasirError.BadFile, $"{_file}: {Name} is not valid text: {MessageText.Line(exception.Message)}", exception);
        }
    }

    public int Integer()
    {
        Require(JsonValueKind.Number, "an integer");
        if (_value.TryGetInt32(out var value))
            return value;
        // Some writers spell integers as 2.0.
        return _value.TryGetDouble(out var number) && number == (int)number
            ? (int)number
            : throw Bad($"is {MessageText.Line(_value.GetRawText())}; a 32-bit integer was expected");
    }

    public bool Boolean() => _value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Bad($"is {_value.ValueKind}; a boolean was expected"),
    };

    public bool Flag(string key, bool otherwise = false) => Find(key)?.Boolean() ?? otherwise;

    public IEnumerable<JsonPlace> Items()
    {
        Require(JsonValueKind.Array, "an array");
        var index = 0;
        foreach (var item in _value.EnumerateArray())
            yield return new JsonPlace(_file, $"{_key}[{index++}]", item);
    }

    /// <summary>Keys and values of an object, in the file's order, repeated keys repeated.</summary>
    public IEnumerable<(string Key, JsonPlace Value)> Entries()
    {
        Require(JsonValueKind.Object, "an object");
        foreach (var property in _value.EnumerateObject())
            yield return (PropertyName(property), new JsonPlace(_file, Join(PropertyName(property)), property.Value));
    }

    public KvasirException Bad(string problem) => new(KvasirError.BadFile, $"{_file}: {Name} {problem}");

    public KvasirException Unsupported(string problem) => new(KvasirError.Unsupported, $"{_file}: {Name} {problem}");

    /// <summary>File and key, for messages.</summary>
    public string Place => $"{_file}: {Name}";

    private string Name => _key.Length == 0 ? "the root" : $"key {MessageText.Line(_key)}";

    private string PropertyName(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new KvasirException(
                KvasirError.BadFile, $"{_file}: {Name} has a key that is not valid text: {MessageText.Line(exception.Message)}", exception);
        }
    }

    private string Join(string key) => _key.Length == 0 ? key : $"{_key}.{key}";

    private void Require(JsonValueKind kind, string expected)
    {
        if (_value.ValueKind != kind)
            throw Bad($"is {_value.ValueKind}; {expected} was expected");
    }
}
