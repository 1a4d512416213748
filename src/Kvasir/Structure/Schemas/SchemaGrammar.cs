using System.Text.Json;

namespace Kvasir.Structure.Schemas;

/// <summary>
/// Writes the grammar of the JSON texts that a schema allows: properties in the schema's order, strings in UTF-8, and between tokens nothing, a blank, or a
/// line break with at most 32 blanks: small models would write blanks wherever they may. Where a schema names properties and does not speak of others, there
/// are none; where it names first items and no others, likewise.
/// </summary>
/// <param name="isCompact">No white space at all.</param>
internal sealed class SchemaGrammar(SchemaReader reader, GrammarBuilder grammar, bool isCompact)
{
    private const int MostBlanks = 32;
    private static readonly ByteSet Blank = ByteSet.Of((byte)' ').Union(ByteSet.Of((byte)'\t'));
    private readonly SchemaStrings _strings = new(grammar, reader.Narrowing);
    private readonly JsonNumbers _numbers = new(grammar);
    private readonly Dictionary<int, int> _spaces = [];
    private int _number = -1;

    /// <summary>Where the grammar of a rule begins; it ends in <see cref="GrammarBuilder.Return"/>.</summary>
    /// <exception cref="KvasirException">No value fits, or what would describe them is not supported or too large.</exception>
    public int Root(SchemaRule rule)
    {
        if (rule.Height > GrammarProgram.MostDepth)
            throw SchemaKeywords.Bad(
                rule.Parts.Places is [var place, ..] ? place.Pointer : "", $"allows no value that is nested at most {GrammarProgram.MostDepth} deep");
        foreach (var each in reader.Rules)
            each.Step = grammar.Reserve();
        foreach (var each in reader.Rules)
        {
            if (each.Height <= GrammarProgram.MostDepth)
                grammar.Set(each.Step, grammar.Branch(each.Alternatives.Select(Value)));
        }

        return rule.Step;
    }

    /// <summary>White space, as far as it is allowed, and then what follows.</summary>
    public int Space(int next)
    {
        if (isCompact || next == GrammarBuilder.Never)
            return next;
        if (_spaces.TryGetValue(next, out var known))
            return known;
        var blanks = grammar.Repeat(0, MostBlanks, grammar.Bytes(Blank, GrammarBuilder.Return), next);
        return _spaces[next] = grammar.Branch(next, grammar.Byte(' ', next), grammar.Byte('\n', blanks));
    }

    private int Value(SchemaNode node)
    {
        if (node.Values is { } values)
            return grammar.Branch(values.Select(value => Literal(value, GrammarBuilder.Return)));
        var ways = new List<int>();
        if ((node.Kinds & JsonKinds.Null) != 0)
            ways.Add(grammar.Literal("null"u8, GrammarBuilder.Return));
        if ((node.Kinds & JsonKinds.Boolean) != 0)
            ways.AddRange([grammar.Literal("true"u8, GrammarBuilder.Return), grammar.Literal("false"u8, GrammarBuilder.Return)]);
        if ((node.Kinds & JsonKinds.Fraction) != 0)
            ways.Add(_number = _number < 0 ? _numbers.Number() : _number);
        else if ((node.Kinds & JsonKinds.Integer) != 0)
            ways.Add(_numbers.Integer(node.Minimum, node.Maximum));
        if ((node.Kinds & JsonKinds.String) != 0)
            ways.Add(_strings.String(node));
        if ((node.Kinds & JsonKinds.Array) != 0)
            ways.Add(grammar.Guard(reader.ArrayHeight(node), Array(node)));
        if ((node.Kinds & JsonKinds.Object) != 0)
            ways.Add(grammar.Guard(reader.ObjectHeight(node), Object(node)));
        return grammar.Branch(ways);
    }

    private int Object(SchemaNode node)
    {
        var properties = node.Properties;
        var closes = new int[properties.Count + 1];
        closes[^1] = grammar.Byte('}', GrammarBuilder.Return);
        for (var i = properties.Count - 1; i >= 0; i--)
            closes[i] = node.Required.Contains(properties[i].Name) ? GrammarBuilder.Never : closes[i + 1];
        // From the end: what may stand where the i-th property could, and what follows it.
        var (key, tail) = Others(node, Space(closes[^1]));
        for (var i = properties.Count - 1; i >= 0; i--)
        {
            var (name, parts) = properties[i];
            var rule = reader.Rule(parts);
            var value = Space(grammar.Call(rule.Step, isNested: true, tail));
            var own = grammar.Guard(1 + rule.Height, grammar.Byte('"', _strings.Literal(name, grammar.Byte('"', grammar.Byte(':', value)))));
            key = node.Required.Contains(name) ? own : grammar.Branch(own, key);
            tail = grammar.Branch(Space(closes[i]), grammar.Byte(',', Space(key)));
        }

        return grammar.Byte('{', Space(grammar.Branch(closes[0], key)));
    }

    // Properties that are not named, any number of them; none where only some are.
    private (int Key, int Tail) Others(SchemaNode node, int close)
    {
        var isOpen = node.Additional is not null || node.Properties.Count == 0;
        var rule = reader.Rule(node.Additional ?? SchemaParts.Any);
        if (!isOpen || rule.Height > GrammarProgram.MostDepth)
            return (GrammarBuilder.Never, close);
        var tail = grammar.Reserve();
        var value = Space(grammar.Call(rule.Step, isNested: true, tail));
        var names = _strings.Except([.. node.Properties.Select(static property => property.Name)], grammar.Byte(':', value));
        var key = grammar.Guard(1 + rule.Height, names);
        grammar.Set(tail, grammar.Branch(close, grammar.Byte(',', Space(key))));
        return (key, tail);
    }

    private int Array(SchemaNode node)
    {
        var close = Space(grammar.Byte(']', GrammarBuilder.Return));
        var prefix = node.Prefix.Select(reader.Rule).ToList();
        var items = SchemaReader.ItemsBehind(node) is { } parts ? reader.Rule(parts) : null;
        // What no value fits ends the list.
        if (prefix.FindIndex(static rule => rule.Height > GrammarProgram.MostDepth) is var end and >= 0)
            (prefix, items) = (prefix[..end], null);
        if (items?.Height > GrammarProgram.MostDepth)
            items = null;
        if (node.MaxItems <= prefix.Count)
            (prefix, items) = (prefix[..node.MaxItems], null);
        if (node.MinItems > prefix.Count && items is null)
            return GrammarBuilder.Never;
        return grammar.Byte('[', Space(Items(node, prefix, items, close)));
    }

    private int Items(SchemaNode node, List<SchemaRule> prefix, SchemaRule? items, int close)
    {
        // A first item has no comma before it.
        int Next(SchemaRule rule, bool isFirst, int next)
        {
            var call = grammar.Call(rule.Step, isNested: true, next);
            return grammar.Guard(1 + rule.Height, isFirst ? call : grammar.Byte(',', Space(call)));
        }

        var bare = grammar.Byte(']', GrammarBuilder.Return);
        var (least, most) = (Math.Max(0, node.MinItems - prefix.Count), node.MaxItems == int.MaxValue ? int.MaxValue : node.MaxItems - prefix.Count);
        var step = close;
        if (items is not null && prefix.Count > 0)
        {
            step = grammar.Repeat(least, most, Next(items, isFirst: false, GrammarBuilder.Return), close);
        }
        else if (items is not null)
        {
            var more = grammar.Repeat(
                Math.Max(0, least - 1), most == int.MaxValue ? most : most - 1, Next(items, isFirst: false, GrammarBuilder.Return), close);
            return grammar.Branch(node.MinItems == 0 ? bare : GrammarBuilder.Never, Next(items, isFirst: true, more));
        }

        for (var i = prefix.Count - 1; i >= 0; i--)
            step = grammar.Branch(i >= node.MinItems ? i == 0 ? bare : close : GrammarBuilder.Never, Next(prefix[i], i == 0, step));
        return prefix.Count == 0 ? bare : step;
    }

    private int Literal(JsonElement value, int next)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                return grammar.Byte('"', _strings.Literal(value.GetString()!, grammar.Byte('"', next)));
            case JsonValueKind.Array:
                var items = value.EnumerateArray().ToArray();
                var (list, bare) = (grammar.Byte(']', next), items.Length == 0);
                list = bare ? list : Space(list);
                for (var i = items.Length - 1; i >= 0; i--)
                    list = i == 0 ? Literal(items[i], list) : grammar.Byte(',', Space(Literal(items[i], list)));
                return grammar.Byte('[', bare ? list : Space(list));
            case JsonValueKind.Object:
                var properties = value.EnumerateObject().ToArray();
                var map = properties.Length == 0 ? grammar.Byte('}', next) : Space(grammar.Byte('}', next));
                for (var i = properties.Length - 1; i >= 0; i--)
                {
                    map = grammar.Byte(
                        '"', _strings.Literal(properties[i].Name, grammar.Byte('"', grammar.Byte(':', Space(Literal(properties[i].Value, map))))));
                    map = i == 0 ? map : grammar.Byte(',', Space(map));
                }

                return grammar.Byte('{', properties.Length == 0 ? map : Space(map));
            default:
                return grammar.Literal(System.Text.Encoding.UTF8.GetBytes(value.GetRawText()), next);
        }
    }
}
