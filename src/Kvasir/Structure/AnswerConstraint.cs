namespace Kvasir.Structure;

/// <summary>
/// What an answer may say, token by token: <see cref="GenerationOptions.Constraint"/>. Compiled once and shared by any number of sequences, on any threads;
/// what one answer has said so far is in its <see cref="ConstraintCursor"/>.
/// </summary>
public abstract class AnswerConstraint
{
    /// <summary>Ids of the tokenizer that it was made for are below this.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>The beginning of an answer.</summary>
    public abstract ConstraintCursor Begin();
}

/// <summary>How far an answer has come under an <see cref="AnswerConstraint"/>. One sequence, one thread at a time.</summary>
public abstract class ConstraintCursor
{
    /// <summary>The tokens that may come next; null for all of them. End tokens are among them exactly where the answer may end.</summary>
    public abstract TokenMask? Allowed { get; }

    /// <summary>Whether the answer is complete and nothing may follow: it ends without an end token.</summary>
    public abstract bool IsOver { get; }

    /// <summary>Takes a token that was allowed.</summary>
    public abstract void Advance(int token);
}
