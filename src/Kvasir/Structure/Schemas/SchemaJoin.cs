using System.Text.Json;

namespace Kvasir.Structure.Schemas;

/// <summary>Two schemas that hold together, as one.</summary>
internal static class SchemaJoin
{
    /// <summary>Null where they contradict each other.</summary>
    public static SchemaNode? Of(SchemaNode x, SchemaNode y)
    {
        if (x.Pattern is not null && y.Pattern is not null && x.Pattern != y.Pattern)
            throw SchemaKeywords.Unsupported(y.Pointer, "asks for two patterns of one text, which is not supported");
        var node = new SchemaNode
        {
            Pointer = x.Pointer,
            Kinds = x.Kinds & y.Kinds,
            Properties = Properties(x, y),
            Required = [.. x.Required.Union(y.Required)],
            Additional = Both(x.Additional, y.Additional),
            Prefix = Prefix(x, y),
            Items = Both(x.Items, y.Items),
            MinItems = Math.Max(x.MinItems, y.MinItems),
            MaxItems = Math.Min(x.MaxItems, y.MaxItems),
            MinLength = Math.Max(x.MinLength, y.MinLength),
            MaxLength = Math.Min(x.MaxLength, y.MaxLength),
            Pattern = x.Pattern ?? y.Pattern,
            Minimum = Math.Max(x.Minimum, y.Minimum),
            Maximum = Math.Min(x.Maximum, y.Maximum),
            Values = Values(x.Values, y.Values),
        };
        return node.Kinds == JsonKinds.None || node.Values is { Count: 0 } ? null : node;
    }

    private static SchemaParts? Both(SchemaParts? x, SchemaParts? y) => x is null ? y : y is null ? x : x.And(y);

    // What one of them does not name is, to it, one of the others.
    private static List<(string, SchemaParts)> Properties(SchemaNode x, SchemaNode y)
    {
        var result = new List<(string Name, SchemaParts Parts)>();
        foreach (var (name, parts) in x.Properties)
            result.Add((name, Both(parts, Find(y, name) ?? y.Additional)!));
        foreach (var (name, parts) in y.Properties)
        {
            if (Find(x, name) is null)
                result.Add((name, Both(parts, x.Additional)!));
        }

        return result;
    }

    private static SchemaParts? Find(SchemaNode node, string name)
    {
        foreach (var (known, parts) in node.Properties)
        {
            if (known == name)
                return parts;
        }

        return null;
    }

    private static List<SchemaParts> Prefix(SchemaNode x, SchemaNode y)
    {
        var result = new List<SchemaParts>();
        for (var i = 0; i < Math.Max(x.Prefix.Count, y.Prefix.Count); i++)
            result.Add(Both(i < x.Prefix.Count ? x.Prefix[i] : x.Items, i < y.Prefix.Count ? y.Prefix[i] : y.Items)!);
        return result;
    }

    private static IReadOnlyList<JsonElement>? Values(IReadOnlyList<JsonElement>? x, IReadOnlyList<JsonElement>? y)
    {
        if (x is null || y is null)
            return x ?? y;
        return [.. x.Where(value => y.Any(other => JsonElement.DeepEquals(value, other)))];
    }
}
