namespace Kvasir.Text.Words;

/// <summary>Where a SentencePiece text, which has no words of its own, may be cut all the same.</summary>
internal static class SpaceMarks
{
    /// <summary>What pieces have for a space.</summary>
    public const char Mark = '\u2581';

    /// <summary>
    /// When no piece has a space mark after another character, no merge reaches across such a place, and cutting there changes
    /// nothing but the speed: words are short and mostly known already.
    /// </summary>
    public static WordPattern CutFor(string[] pieces)
    {
        foreach (var piece in pieces)
        {
            if (piece.AsSpan().TrimStart(Mark).Contains(Mark))
                return WordPattern.Whole;
        }
        return WordPattern.SpaceMarks;
    }
}
