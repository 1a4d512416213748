using Kvasir.Structure.Schemas;
using Kvasir.Text;

namespace Kvasir.Structure;

/// <summary>
/// Makes constraints for the answers of one tokenizer's models, and keeps the newest 64. Compiling takes at most half a second, plus a tenth once for a
/// vocabulary of 128k; it happens where it is asked for, before a request is queued. Threads may share it.
/// </summary>
public sealed class JsonConstraints
{
    /// <summary>The most bytes of a schema.</summary>
    public const int MostSchemaBytes = 256 << 10;

    private const int MostKept = 64;
    private readonly Lazy<VocabularyTrie> _vocabulary;
    private readonly Lock _keeping = new();
    private readonly LinkedList<(string Key, JsonConstraint Constraint)> _kept = [];
    private readonly Dictionary<string, LinkedListNode<(string Key, JsonConstraint Constraint)>> _byKey = new(StringComparer.Ordinal);

    public JsonConstraints(Tokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _vocabulary = new Lazy<VocabularyTrie>(() => new VocabularyTrie(tokenizer));
    }

    internal VocabularyTrie Vocabulary => _vocabulary.Value;

    /// <summary>Any JSON object.</summary>
    public JsonConstraint AnyObject() => Schema("""{"type":"object"}""");

    /// <summary>JSON that a schema allows. Properties come in the schema's order; between tokens there is nothing, a blank, or a line break with at most 32 blanks, and nothing behind the value.</summary>
    /// <param name="schema">A JSON schema, at most 256 KiB, nested at most 64 deep.</param>
    /// <param name="isStrict">Whether keywords that are not supported are refused instead of left out (<see cref="JsonConstraint.IgnoredKeywords"/>).</param>
    /// <exception cref="KvasirException">
    /// The schema is damaged, allows no value, or needs more than 100,000 states or about half a second (<see cref="KvasirError.BadOption"/>); or it asks for what is not
    /// supported (<see cref="KvasirError.Unsupported"/>). The message has the place as a JSON pointer.
    /// </exception>
    public JsonConstraint Schema(string schema, bool isStrict = false)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return Kept($"{(isStrict ? "strict" : "free")} {schema}", () => Compile(schema, isStrict, isCompact: false, new CompileBudget()));
    }

    internal JsonConstraint Compile(string schema, bool isStrict, bool isCompact, CompileBudget budget)
    {
        using var reader = new SchemaReader(schema, isStrict, budget);
        var root = reader.Root();
        reader.ReadAll();
        var grammar = new GrammarBuilder(budget);
        var start = new SchemaGrammar(reader, grammar, isCompact).Root(root);
        return new JsonConstraint(grammar.ToProgram(start), Vocabulary, [.. reader.Ignored]);
    }

    /// <summary>What was made of this before, or is made now. Two threads may make it twice; one of them is kept.</summary>
    internal JsonConstraint Kept(string key, Func<JsonConstraint> make)
    {
        lock (_keeping)
        {
            if (_byKey.TryGetValue(key, out var known))
            {
                _kept.Remove(known);
                _kept.AddFirst(known);
                return known.Value.Constraint;
            }
        }

        var made = make();
        lock (_keeping)
        {
            if (_byKey.TryGetValue(key, out var known))
                return known.Value.Constraint;
            _byKey[key] = _kept.AddFirst((key, made));
            if (_kept.Count <= MostKept)
                return made;
            _byKey.Remove(_kept.Last!.Value.Key);
            _kept.RemoveLast();
            return made;
        }
    }
}
