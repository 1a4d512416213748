using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Structure.Schemas;

/// <summary>Reads the keywords of one schema; those that are not supported are refused, or noted and left out.</summary>
/// <param name="isStrict">Whether they are refused.</param>
/// <param name="ignored">Takes the JSON pointers of those that are left out.</param>
internal sealed class SchemaKeywords(bool isStrict, ICollection<string> ignored)
{
    private static readonly HashSet<string> Supported = new(StringComparer.Ordinal)
    {
        "type", "properties", "required", "additionalProperties", "items", "prefixItems",
        "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "minItems", "maxItems", "minLength",
        "maxLength", "minimum", "maximum", "pattern",
    };

    // They say nothing that a value could break.
    private static readonly HashSet<string> Silent = new(StringComparer.Ordinal)
    {
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id", "$anchor", "$comment", "$defs", "definitions",
    };

    /// <summary>What the schema's own keywords ask, without references and alternatives.</summary>
    public SchemaNode Read(in SchemaPlace place)
    {
        foreach (var property in place.Element.EnumerateObject())
        {
            if (!Supported.Contains(property.Name) && !Silent.Contains(property.Name))
                LeaveOut(Below(place.Pointer, property.Name), "is not supported");
        }

        var kinds = Kinds(place);
        return WithNumbers(place, kinds, new SchemaNode
        {
            Pointer = place.Pointer,
            Kinds = kinds,
            Properties = Properties(place),
            Required = Required(place),
            Additional = Parts(place, "additionalProperties"),
            Prefix = Prefix(place),
            Items = Find(place, "items") is { Element.ValueKind: JsonValueKind.Array }
                ? throw Bad(Below(place.Pointer, "items"), "is a list; prefixItems is its name today")
                : Parts(place, "items"),
            MinItems = Count(place, "minItems", 0),
            MaxItems = Count(place, "maxItems", int.MaxValue),
            MinLength = Count(place, "minLength", 0),
            MaxLength = Count(place, "maxLength", int.MaxValue),
            Pattern = Find(place, "pattern") is { } pattern ? Text(pattern) : null,
            Values = Values(place),
        });
    }

    /// <summary>The schemas of anyOf and its kind; null where there is no such keyword.</summary>
    public static IReadOnlyList<SchemaPlace>? List(in SchemaPlace place, string keyword)
    {
        if (Find(place, keyword) is not { } list)
            return null;
        if (list.Element.ValueKind != JsonValueKind.Array || list.Element.GetArrayLength() == 0)
            throw Bad(list.Pointer, "is no list of schemas");
        return [.. list.Element.EnumerateArray().Select((item, index) => new SchemaPlace(item, $"{list.Pointer}/{index}"))];
    }

    public static SchemaPlace? Find(in SchemaPlace place, string keyword) =>
        place.Element.TryGetProperty(keyword, out var value) ? new SchemaPlace(value, Below(place.Pointer, keyword)) : null;

    public static string Text(in SchemaPlace place) =>
        place.Element.ValueKind == JsonValueKind.String ? place.Element.GetString()! : throw Bad(place.Pointer, "is no text");

    public static string Below(string pointer, string name) =>
        $"{pointer}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";

    public static KvasirException Bad(string pointer, string problem) => new(KvasirError.BadOption, $"schema: {MessageText.Line(Named(pointer))} {problem}");

    public static KvasirException Unsupported(string pointer, string problem) =>
        new(KvasirError.Unsupported, $"schema: {MessageText.Line(Named(pointer))} {problem}");

    private static string Named(string pointer) => pointer.Length == 0 ? "the root" : pointer;

    private void LeaveOut(string pointer, string problem)
    {
        if (isStrict)
            throw Unsupported(pointer, problem);
        if (!ignored.Contains(pointer))
            ignored.Add(pointer);
    }

    private static JsonKinds Kinds(in SchemaPlace place)
    {
        if (Find(place, "type") is not { } type)
            return JsonKinds.All;
        if (type.Element.ValueKind != JsonValueKind.Array)
            return Kind(type);
        var kinds = JsonKinds.None;
        foreach (var item in type.Element.EnumerateArray())
            kinds |= Kind(type with { Element = item });
        return kinds;
    }

    private static JsonKinds Kind(in SchemaPlace type) => Text(type) switch
    {
        "null" => JsonKinds.Null,
        "boolean" => JsonKinds.Boolean,
        "integer" => JsonKinds.Integer,
        "number" => JsonKinds.Integer | JsonKinds.Fraction,
        "string" => JsonKinds.String,
        "array" => JsonKinds.Array,
        "object" => JsonKinds.Object,
        var name => throw Bad(type.Pointer, $"has '{MessageText.Line(name)}', which is no type"),
    };

    private static List<(string, SchemaParts)> Properties(in SchemaPlace place)
    {
        var result = new List<(string, SchemaParts)>();
        if (Find(place, "properties") is not { } properties)
            return result;
        if (properties.Element.ValueKind != JsonValueKind.Object)
            throw Bad(properties.Pointer, "is no object");
        foreach (var property in properties.Element.EnumerateObject())
            result.Add((property.Name, SchemaParts.Of(property.Value, Below(properties.Pointer, property.Name))));
        return result;
    }

    private static HashSet<string> Required(in SchemaPlace place)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        if (Find(place, "required") is not { } required)
            return names;
        if (required.Element.ValueKind != JsonValueKind.Array)
            throw Bad(required.Pointer, "is no list of names");
        foreach (var name in required.Element.EnumerateArray())
            names.Add(Text(required with { Element = name }));
        return names;
    }

    private static SchemaParts? Parts(in SchemaPlace place, string keyword) =>
        Find(place, keyword) is { } schema ? SchemaParts.Of(schema.Element, schema.Pointer) : null;

    private static SchemaParts[] Prefix(in SchemaPlace place) =>
        List(place, "prefixItems") is { } list ? [.. list.Select(static item => SchemaParts.Of(item.Element, item.Pointer))] : [];

    private static int Count(in SchemaPlace place, string keyword, int otherwise)
    {
        if (Find(place, keyword) is not { } count)
            return otherwise;
        if (count.Element.ValueKind != JsonValueKind.Number || !count.Element.TryGetDouble(out var value) || value != Math.Floor(value) || value < 0)
            throw Bad(count.Pointer, "is no count");
        return (int)Math.Min(value, int.MaxValue);
    }

    private static JsonElement[]? Values(in SchemaPlace place)
    {
        var values = Find(place, "enum");
        if (values is { Element.ValueKind: not JsonValueKind.Array })
            throw Bad(values.Value.Pointer, "is no list of values");
        JsonElement[]? listed = values is { } list ? [.. list.Element.EnumerateArray()] : null;
        if (Find(place, "const") is not { } one)
            return listed;
        return listed is null || listed.Any(value => JsonElement.DeepEquals(value, one.Element)) ? [one.Element] : [];
    }

    private SchemaNode WithNumbers(in SchemaPlace place, JsonKinds kinds, SchemaNode node) => node with
    {
        Minimum = Bound(place, "minimum", kinds, long.MinValue, Math.Ceiling),
        Maximum = Bound(place, "maximum", kinds, long.MaxValue, Math.Floor),
    };

    private long Bound(in SchemaPlace place, string keyword, JsonKinds kinds, long otherwise, Func<double, double> rounded)
    {
        if (Find(place, keyword) is not { } bound)
            return otherwise;
        if (bound.Element.ValueKind != JsonValueKind.Number)
            throw Bad(bound.Pointer, "is no number");
        if ((kinds & JsonKinds.Fraction) != 0 && !place.Element.TryGetProperty("enum", out _))
        {
            LeaveOut(bound.Pointer, "is supported for integers only");
            return otherwise;
        }

        if (bound.Element.TryGetInt64(out var value))
            return value;
        // Casts of doubles saturate.
        return bound.Element.TryGetDouble(out var number) ? (long)rounded(number) : otherwise;
    }
}
