using System.Text;
using System.Text.Json;
using Kvasir.Structure.Patterns;

namespace Kvasir.Structure.Schemas;

/// <summary>Takes a JSON schema apart into rules: references followed, alternatives side by side, what has to hold together joined.</summary>
internal sealed class SchemaReader : IDisposable
{
    public const int MostBytes = 256 << 10;
    private const int MostDepth = 64;
    private const int MostAlternatives = 1000;
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MostDepth, AllowDuplicateProperties = false };
    private readonly JsonDocument _document;
    private readonly CompileBudget _budget;
    private readonly SchemaKeywords _keywords;
    private readonly Dictionary<string, SchemaRule> _rules = new(StringComparer.Ordinal);
    private readonly Queue<SchemaRule> _open = new();
    private readonly Dictionary<string, List<SchemaNode>> _nodes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _reading = new(StringComparer.Ordinal);
    private readonly List<string> _ignored = [];

    /// <exception cref="KvasirException">The text is too long, no JSON, or nested too deep.</exception>
    public SchemaReader(string schema, bool isStrict, CompileBudget budget)
    {
        if (Encoding.UTF8.GetByteCount(schema) is var bytes && bytes > MostBytes)
            throw new KvasirException(KvasirError.BadOption, $"the schema has {bytes} bytes, above the limit of {MostBytes}");
        try
        {
            _document = JsonDocument.Parse(schema, Options);
        }
        catch (JsonException problem)
        {
            throw new KvasirException(KvasirError.BadOption, $"the schema cannot be read: {problem.Message}", problem);
        }

        (_budget, _keywords, Narrowing) = (budget, new SchemaKeywords(isStrict, _ignored), new SchemaNarrowing(budget));
    }

    public SchemaNarrowing Narrowing { get; }

    public IReadOnlyList<string> Ignored => _ignored;

    /// <summary>Every rule that was asked for.</summary>
    public IReadOnlyCollection<SchemaRule> Rules => _rules.Values;

    public SchemaRule Root() => Rule(SchemaParts.Of(_document.RootElement, ""));

    /// <summary>The rule of schemas that hold together; what it consists of is known after <see cref="ReadAll"/>.</summary>
    public SchemaRule Rule(SchemaParts parts)
    {
        if (_rules.TryGetValue(parts.Key, out var known))
            return known;
        _budget.Take();
        var rule = new SchemaRule(parts);
        _rules.Add(parts.Key, rule);
        _open.Enqueue(rule);
        return rule;
    }

    /// <summary>Reads what was asked for and what that refers to, and finds out how deep values are nested at least.</summary>
    /// <exception cref="KvasirException">A keyword is damaged, not supported, or refers to itself.</exception>
    public void ReadAll()
    {
        try
        {
            while (_open.TryDequeue(out var rule))
                Read(rule);
        }
        catch (InvalidOperationException problem)
        {
            throw new KvasirException(KvasirError.BadOption, $"the schema has text that is none: {problem.Message}", problem);
        }

        for (var round = 0; round <= SchemaRule.Endless; round++)
        {
            var isSettled = true;
            foreach (var rule in _rules.Values)
            {
                foreach (var node in rule.Alternatives)
                {
                    _budget.Work(1 + node.Properties.Count);
                    var height = Height(node);
                    (isSettled, rule.Height) = (isSettled && height >= rule.Height, Math.Min(rule.Height, height));
                }
            }

            if (isSettled)
                return;
        }
    }

    /// <summary>How deep the least deep value of a node is nested; <see cref="SchemaRule.Endless"/> where none is finite.</summary>
    public int Height(SchemaNode node)
    {
        if (node.Values is { Count: > 0 } || (node.Kinds & ~(JsonKinds.Array | JsonKinds.Object)) != 0)
            return 0;
        var height = (node.Kinds & JsonKinds.Object) != 0 ? ObjectHeight(node) : SchemaRule.Endless;
        return (node.Kinds & JsonKinds.Array) != 0 ? Math.Min(height, ArrayHeight(node)) : height;
    }

    /// <summary>As <see cref="Height"/>, of its objects.</summary>
    public int ObjectHeight(SchemaNode node)
    {
        var height = 0;
        foreach (var (name, parts) in node.Properties)
            height = node.Required.Contains(name) ? Math.Max(height, Rule(parts).Height) : height;
        return Math.Min(1 + height, SchemaRule.Endless);
    }

    /// <summary>As <see cref="Height"/>, of its lists.</summary>
    public int ArrayHeight(SchemaNode node) => Math.Min(1 + ItemHeight(node), SchemaRule.Endless);

    /// <summary>Of items that are in no prefix: none behind one that the schema ends with.</summary>
    public static SchemaParts? ItemsBehind(SchemaNode node) => node.Items ?? (node.Prefix.Count > 0 ? null : SchemaParts.Any);

    public void Dispose() => _document.Dispose();

    private int ItemHeight(SchemaNode node)
    {
        var height = 0;
        for (var i = 0; i < Math.Min(node.MinItems, node.Prefix.Count); i++)
            height = Math.Max(height, Rule(node.Prefix[i]).Height);
        if (node.MinItems <= node.Prefix.Count)
            return height;
        return ItemsBehind(node) is { } items ? Math.Max(height, Rule(items).Height) : SchemaRule.Endless;
    }

    private void Read(SchemaRule rule)
    {
        IReadOnlyList<SchemaNode> nodes = [new SchemaNode { Pointer = rule.Parts.Places is [var first, ..] ? first.Pointer : "" }];
        foreach (var place in rule.Parts.Places)
            nodes = Joined(nodes, Nodes(place));
        foreach (var node in nodes)
        {
            if (Narrowing.Narrow(Completed(node)) is { } narrow)
                rule.Alternatives.Add(narrow);
        }

        foreach (var node in rule.Alternatives)
            AskForChildren(node);
    }

    // Names that are required and not described are described by what the schema says of others.
    private static SchemaNode Completed(SchemaNode node)
    {
        var missing = node.Required.Where(name => !node.Properties.Any(property => property.Name == name)).Order(StringComparer.Ordinal);
        return node with { Properties = [.. node.Properties, .. missing.Select(name => (name, node.Additional ?? SchemaParts.Any))] };
    }

    private void AskForChildren(SchemaNode node)
    {
        if ((node.Kinds & JsonKinds.Object) != 0)
        {
            foreach (var (_, parts) in node.Properties)
                Rule(parts);
            Rule(node.Additional ?? SchemaParts.Any);
        }

        if ((node.Kinds & JsonKinds.Array) == 0)
            return;
        foreach (var parts in node.Prefix)
            Rule(parts);
        if (ItemsBehind(node) is { } items)
            Rule(items);
    }

    private List<SchemaNode> Nodes(in SchemaPlace place)
    {
        if (_nodes.TryGetValue(place.Pointer, out var known))
            return known;
        if (!_reading.Add(place.Pointer))
            throw SchemaKeywords.Bad(place.Pointer, "refers to itself with no object or array between");
        if (_reading.Count > MostDepth)
            throw SchemaKeywords.Bad(place.Pointer, $"ends a chain of more than {MostDepth} references and alternatives");
        _budget.Take();
        var nodes = ReadNodes(place);
        _reading.Remove(place.Pointer);
        return _nodes[place.Pointer] = nodes;
    }

    private List<SchemaNode> ReadNodes(in SchemaPlace place)
    {
        if (place.Element.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return place.Element.GetBoolean() ? [new SchemaNode { Pointer = place.Pointer }] : [];
        if (place.Element.ValueKind != JsonValueKind.Object)
            throw SchemaKeywords.Bad(place.Pointer, "is no schema: an object, true or false was expected");
        List<SchemaNode> nodes = [_keywords.Read(place)];
        if (SchemaKeywords.Find(place, "$ref") is { } reference)
            nodes = Joined(nodes, Nodes(Target(reference)));
        foreach (var item in SchemaKeywords.List(place, "allOf") ?? [])
            nodes = Joined(nodes, Nodes(item));
        foreach (var keyword in (string[])["anyOf", "oneOf"])
        {
            if (SchemaKeywords.List(place, keyword) is { } items)
                nodes = Joined(nodes, [.. items.SelectMany(item => Nodes(item))]);
        }

        return nodes;
    }

    private SchemaPlace Target(in SchemaPlace reference)
    {
        var text = SchemaKeywords.Text(reference);
        if (!text.StartsWith('#'))
            throw SchemaKeywords.Unsupported(reference.Pointer, "leads out of the document; only references to parts of it, which begin with #, are supported");
        var pointer = Uri.UnescapeDataString(text[1..]);
        var at = new SchemaPlace(_document.RootElement, "");
        if (pointer.Length > 0 && pointer[0] != '/')
            throw SchemaKeywords.Unsupported(reference.Pointer, "names an anchor; only JSON pointers are supported");
        foreach (var part in pointer.Split('/').Skip(1))
        {
            var name = part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            var value = default(JsonElement);
            var isThere = at.Element.ValueKind == JsonValueKind.Object ? at.Element.TryGetProperty(name, out value)
                : at.Element.ValueKind == JsonValueKind.Array && TryItem(at.Element, name, out value);
            at = isThere
                ? new SchemaPlace(value, SchemaKeywords.Below(at.Pointer, name))
                : throw SchemaKeywords.Bad(reference.Pointer, "refers to what is not there");
        }

        return at;
    }

    private static bool TryItem(JsonElement list, string name, out JsonElement value)
    {
        var isIndex = int.TryParse(name, out var index) && index >= 0 && index < list.GetArrayLength();
        value = isIndex ? list[index] : default;
        return isIndex;
    }

    private List<SchemaNode> Joined(IReadOnlyList<SchemaNode> left, List<SchemaNode> right)
    {
        var result = new List<SchemaNode>();
        foreach (var x in left)
        {
            foreach (var y in right)
            {
                _budget.Work(5 + x.Properties.Count + y.Properties.Count);
                if (SchemaJoin.Of(x, y) is { } node)
                    result.Add(node);
                if (result.Count > MostAlternatives)
                    throw SchemaKeywords.Bad(x.Pointer, $"has more than {MostAlternatives} alternatives");
            }
        }

        return result;
    }
}
