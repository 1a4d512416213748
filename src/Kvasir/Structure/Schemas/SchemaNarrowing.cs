using System.Globalization;
using System.Text;
using System.Text.Json;
using Kvasir.Structure.Patterns;

namespace Kvasir.Structure.Schemas;

/// <summary>
/// Takes out of a schema what no value can be: kinds whose limits leave nothing, values that the keywords beside an enum forbid. What is left has a value of
/// every kind, so that no text is begun which could not end.
/// </summary>
internal sealed class SchemaNarrowing(CompileBudget budget)
{
    private readonly Dictionary<(string Pattern, int Least, int Most), StringPattern> _patterns = [];

    /// <summary>Null where nothing is left.</summary>
    /// <exception cref="KvasirException">A pattern cannot be read; or an enum has objects or lists, and keywords beside it speak of their parts.</exception>
    public SchemaNode? Narrow(SchemaNode node)
    {
        var kinds = node.Kinds;
        if (node.Minimum > node.Maximum && (kinds & JsonKinds.Fraction) == 0)
            kinds &= ~JsonKinds.Integer;
        if (node.MinItems > node.MaxItems)
            kinds &= ~JsonKinds.Array;
        if (node.MinLength > node.MaxLength || ((kinds & JsonKinds.String) != 0 && node.Pattern is not null && !Pattern(node).IsPossible))
            kinds &= ~JsonKinds.String;
        node = node with { Kinds = kinds };
        if (node.Values is { } values)
            node = node with { Values = [.. values.Where(value => Fits(node, value))] };
        return kinds == JsonKinds.None || node.Values is { Count: 0 } ? null : node;
    }

    /// <summary>The node's pattern with its lengths.</summary>
    public StringPattern Pattern(SchemaNode node)
    {
        var key = (node.Pattern!, node.MinLength, node.MaxLength);
        if (_patterns.TryGetValue(key, out var known))
            return known;
        var place = $"schema: {(node.Pointer.Length == 0 ? "the root" : node.Pointer)}";
        var automaton = PatternAutomaton.Of(new PatternParser(node.Pattern!, place).Parse(), budget);
        var isFree = automaton.Edges.Length == 0 || (node.MinLength == 0 && node.MaxLength == int.MaxValue);
        return _patterns[key] = new StringPattern(automaton, isFree ? null : new PatternLengths(automaton, node.MinLength, node.MaxLength, budget));
    }

    private bool Fits(SchemaNode node, JsonElement value)
    {
        budget.Work();
        var kind = Kind(value);
        if ((node.Kinds & kind) == 0)
            return false;
        return kind switch
        {
            JsonKinds.String => FitsText(node, value.GetString()!),
            JsonKinds.Integer => !value.TryGetInt64(out var number) || (number >= node.Minimum && number <= node.Maximum),
            JsonKinds.Object or JsonKinds.Array => !SpeaksOfParts(node) ? true
                : throw SchemaKeywords.Unsupported(
                    node.Pointer, "has an enum with objects or lists beside keywords that speak of their parts, which is not supported"),
            _ => true,
        };
    }

    private static bool SpeaksOfParts(SchemaNode node) =>
        node.Properties.Count > 0 || node.Required.Count > 0 || node.Additional is not null
            || node.Items is not null || node.Prefix.Count > 0 || node.MinItems > 0 || node.MaxItems < int.MaxValue;

    private static JsonKinds Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonKinds.Null,
        JsonValueKind.True or JsonValueKind.False => JsonKinds.Boolean,
        JsonValueKind.String => JsonKinds.String,
        JsonValueKind.Array => JsonKinds.Array,
        JsonValueKind.Object => JsonKinds.Object,
        _ => double.TryParse(value.GetRawText(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number == Math.Floor(number)
            ? JsonKinds.Integer
            : JsonKinds.Fraction,
    };

    private bool FitsText(SchemaNode node, string text)
    {
        var length = text.EnumerateRunes().Count();
        return length >= node.MinLength && length <= node.MaxLength && (node.Pattern is null || Pattern(node).Automaton.Matches(text));
    }
}

/// <summary>A pattern, and how long its matches may be; null where any length will do.</summary>
internal sealed record StringPattern(PatternAutomaton Automaton, PatternLengths? Lengths)
{
    public bool IsPossible => Automaton.Edges.Length > 0 && Lengths?.Allows(0, 0) != false;
}
