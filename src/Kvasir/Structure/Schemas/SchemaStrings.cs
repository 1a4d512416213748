using Kvasir.Structure.Patterns;

namespace Kvasir.Structure.Schemas;

/// <summary>Rules for JSON strings: of a length, of a pattern, and names that are none of some.</summary>
internal sealed class SchemaStrings(GrammarBuilder grammar, SchemaNarrowing narrowing)
{
    private readonly JsonCharacters _characters = new(grammar);
    private readonly Dictionary<(string? Pattern, int Least, int Most), int> _strings = [];

    /// <summary>Text of a string literal between its quotes.</summary>
    public int Literal(string text, int next) => _characters.Literal(text, next);

    /// <summary>Strings that a node allows, with their quotes.</summary>
    public int String(SchemaNode node)
    {
        var key = (node.Pattern, node.MinLength, node.MaxLength);
        if (_strings.TryGetValue(key, out var known))
            return known;
        var end = grammar.Byte('"', GrammarBuilder.Return);
        var body = node.Pattern is null
            ? grammar.Repeat(node.MinLength, node.MaxLength, _characters.Rule(CodePointSet.All), end)
            : Pattern(narrowing.Pattern(node), node.MinLength, node.MaxLength, end);
        return _strings[key] = grammar.Byte('"', body);
    }

    /// <summary>Any string but these, with its quotes, and then what follows.</summary>
    public int Except(IReadOnlyCollection<string> names, int next)
    {
        var end = grammar.Byte('"', next);
        return grammar.Byte('"', names.Count == 0
            ? grammar.Repeat(0, int.MaxValue, _characters.Rule(CodePointSet.All), end)
            : Pattern(new StringPattern(PatternAutomaton.Except(names, grammar.Budget), null), 0, int.MaxValue, end));
    }

    private int Pattern(StringPattern pattern, int least, int most, int end)
    {
        var automaton = pattern.Automaton;
        var steps = new int[automaton.Edges.Length];
        for (var state = 0; state < steps.Length; state++)
            steps[state] = grammar.Reserve();
        for (var state = 0; state < steps.Length; state++)
        {
            (int, int)[] turns = [.. automaton.Edges[state].Select(edge => (_characters.Rule(edge.Set), steps[edge.Target]))];
            grammar.SetCount(steps[state], new Repetition(least, most, automaton.Accepts[state], turns, pattern.Lengths, state), end);
        }

        return steps[0];
    }
}
