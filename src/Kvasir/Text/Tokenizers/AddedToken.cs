namespace Kvasir.Text.Tokenizers;

/// <summary>A token that is recognised as a whole text before the rest is split.</summary>
internal sealed record AddedToken(int Id, string Text)
{
    /// <summary>A control token: matched only where special tokens are parsed, and silent in the output.</summary>
    public bool Special { get; init; }

    /// <summary>White space to its left belongs to it.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>White space to its right belongs to it.</summary>
    public bool StripsRight { get; init; }

    /// <summary>Matched only between characters that are not part of a word.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Looked for in the normalised text instead of the raw text.</summary>
    public bool Normalized { get; init; }
}
