namespace Kvasir.Server.Answers;

/// <summary>What a piece of an answer is.</summary>
internal enum PieceKind
{
    /// <summary>What the client shows.</summary>
    Text,

    /// <summary>What the model thought before that.</summary>
    Reasoning,

    /// <summary>A call begins: its id and the function's name.</summary>
    CallBegin,

    /// <summary>More of the call's arguments, as JSON.</summary>
    CallArguments,

    /// <summary>The call is complete.</summary>
    CallEnd,
}

/// <summary>A piece of one choice: tokens that became ready while the one before was written are joined.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Of text, reasoning or arguments; the function's name of a call that begins.</param>
/// <param name="Tokens">Those that it is made of, where log-probabilities were asked for; else none.</param>
internal sealed record AnswerPiece(PieceKind Kind, string Text, IReadOnlyList<GeneratedToken> Tokens)
{
    /// <summary>Of the call that a piece belongs to, from 0.</summary>
    public int CallIndex { get; init; }

    /// <summary>Of a call that begins.</summary>
    public string? CallId { get; init; }
}
