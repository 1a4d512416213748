using Kvasir.Structure;
using Kvasir.Structure.Patterns;
using Kvasir.Structure.Schemas;
using Kvasir.Text;

namespace Kvasir.Calls;

/// <summary>
/// Makes constraints for the answers of one tokenizer's models, and keeps the newest 64. Compiling takes at most half a second, plus a tenth once for a
/// vocabulary of 128k; it happens where it is asked for, before a request is queued. Threads may share it.
/// </summary>
public sealed class JsonConstraints
{
    /// <summary>The most bytes of a schema.</summary>
    public const int MostSchemaBytes = SchemaReader.MostBytes;

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
    public JsonConstraint AnyObject() => Answer(AnswerDemand.AnyObject);

    /// <summary>
    /// JSON that a schema allows. Properties come in the schema's order; between tokens there is nothing, a blank, or a line break
    /// with at most 32 blanks, and nothing behind the value.
    /// </summary>
    /// <param name="schema">A JSON schema, at most 256 KiB, nested at most 64 deep.</param>
    /// <param name="isStrict">Whether keywords that are not supported are refused instead of left out (<see cref="JsonConstraint.IgnoredKeywords"/>).</param>
    /// <exception cref="KvasirException">
    /// The schema is damaged, allows no value, or needs more than 100,000 states or about half a second (<see cref="KvasirError.BadOption"/>); or it asks for
    /// what is not supported (<see cref="KvasirError.Unsupported"/>). The message has the place as a JSON pointer.
    /// </exception>
    public JsonConstraint Schema(string schema, bool isStrict = false)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return Answer(new AnswerDemand { Schema = schema, IsStrict = isStrict });
    }

    /// <summary>JSON of a schema or calls of tools, or either, behind what the model thinks first.</summary>
    /// <exception cref="KvasirException">As <see cref="Schema"/>, of the schema and of the tools' parameters; or the model's calls are not known.</exception>
    public JsonConstraint Answer(AnswerDemand demand)
    {
        ArgumentNullException.ThrowIfNull(demand);
        return Kept(demand.Key(), () => Compile(demand, isCompact: false, new CompileBudget()));
    }

    internal JsonConstraint Compile(AnswerDemand demand, bool isCompact, CompileBudget budget)
    {
        var grammar = new DemandGrammar(Vocabulary.Tokenizer, new GrammarBuilder(budget), isCompact);
        return new JsonConstraint(grammar.Program(demand), Vocabulary, grammar.Ignored);
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
