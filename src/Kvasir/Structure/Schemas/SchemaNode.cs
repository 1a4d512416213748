using System.Text.Json;

namespace Kvasir.Structure.Schemas;

[Flags]
internal enum JsonKinds
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Integer = 4,

    /// <summary>Numbers that are no integers; a schema that says number has both.</summary>
    Fraction = 8,
    String = 16,
    Array = 32,
    Object = 64,
    All = 127,
}

/// <summary>
/// A schema without references and alternatives: what its keywords ask of a value, by the kind that it may be. What is under properties and items are schemas
/// of their own.
/// </summary>
internal sealed record SchemaNode
{
    /// <summary>Where it stands, for messages.</summary>
    public required string Pointer { get; init; }

    public JsonKinds Kinds { get; init; } = JsonKinds.All;

    /// <summary>In the order they are written.</summary>
    public IReadOnlyList<(string Name, SchemaParts Parts)> Properties { get; init; } = [];

    public IReadOnlyCollection<string> Required { get; init; } = [];

    /// <summary>Of properties that are not named; null where the schema does not say.</summary>
    public SchemaParts? Additional { get; init; }

    public IReadOnlyList<SchemaParts> Prefix { get; init; } = [];

    /// <summary>Of items behind the prefix; null where the schema does not say.</summary>
    public SchemaParts? Items { get; init; }

    public int MinItems { get; init; }

    public int MaxItems { get; init; } = int.MaxValue;

    public int MinLength { get; init; }

    public int MaxLength { get; init; } = int.MaxValue;

    public string? Pattern { get; init; }

    public long Minimum { get; init; } = long.MinValue;

    public long Maximum { get; init; } = long.MaxValue;

    /// <summary>The values that are allowed; null for all.</summary>
    public IReadOnlyList<JsonElement>? Values { get; init; }
}

/// <summary>A schema in the document, by its JSON pointer.</summary>
internal readonly record struct SchemaPlace(JsonElement Element, string Pointer);

/// <summary>Schemas that hold together, all of them; none is any value.</summary>
internal sealed class SchemaParts(IEnumerable<SchemaPlace> places)
{
    public static readonly SchemaParts Any = new([]);

    public SchemaPlace[] Places { get; } = [.. places.DistinctBy(static place => place.Pointer).OrderBy(static place => place.Pointer, StringComparer.Ordinal)];

    public string Key { get; } = string.Join(
        ' ', places.Select(static place => "#" + place.Pointer.Replace(" ", "~2", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));

    public static SchemaParts Of(JsonElement element, string pointer) => new([new SchemaPlace(element, pointer)]);

    public SchemaParts And(SchemaParts other) => new([.. Places, .. other.Places]);
}

/// <summary>What a value may be: one of several nodes.</summary>
/// <param name="parts">The schemas that it comes from.</param>
internal sealed class SchemaRule(SchemaParts parts)
{
    public const int Endless = GrammarProgram.MostDepth + 1;

    public SchemaParts Parts => parts;

    public List<SchemaNode> Alternatives { get; } = [];

    /// <summary>How deep its least deep value is nested: 0 for what is no array or object, <see cref="Endless"/> where there is no value.</summary>
    public int Height { get; set; } = Endless;

    /// <summary>Where its grammar begins.</summary>
    public int Step { get; set; } = -1;
}
