using Kvasir.Structure;

namespace Kvasir.Calls;

/// <summary>Answers that a grammar allows: JSON of a schema, or calls of tools. <see cref="JsonConstraints"/> makes them.</summary>
public sealed class JsonConstraint : AnswerConstraint
{
    private readonly GrammarAutomaton _automaton;

    internal JsonConstraint(GrammarProgram program, VocabularyTrie vocabulary, IReadOnlyList<string> ignored) =>
        (_automaton, IgnoredKeywords) = (new GrammarAutomaton(program, vocabulary), ignored);

    public override int VocabularySize => _automaton.Vocabulary.Tokenizer.VocabularySize;

    /// <summary>JSON pointers of keywords that are not supported and were left out: values may break them.</summary>
    public IReadOnlyList<string> IgnoredKeywords { get; }

    internal GrammarAutomaton Automaton => _automaton;

    public override ConstraintCursor Begin() => new Cursor(_automaton);

    private sealed class Cursor(GrammarAutomaton automaton) : ConstraintCursor
    {
        private GrammarState _state = automaton.Start;

        public override TokenMask? Allowed => automaton.Mask(_state);

        public override bool IsOver => _state is { IsOver: true, IsComplete: true };

        public override void Advance(int token)
        {
            // An end token that was told to be one like any other changes nothing.
            if (!automaton.Vocabulary.Tokenizer.IsEnd(token))
                _state = automaton.Next(_state, token);
        }
    }
}
