namespace Kvasir.Requests.Guessing;

/// <summary>Guesses what comes next from the text alone: what followed the newest tokens when they came before (prompt lookup).</summary>
internal static class RepeatedText
{
    // Two tokens alone come again by chance, and where more are found they tell more.
    private const int LongestMatch = 4;
    private const int ShortestMatch = 2;

    /// <summary>
    /// Fills <paramref name="guess"/> with tokens that may follow; a text that goes round in circles is expected to go on so. False when nothing came before.
    /// </summary>
    /// <param name="tokens">The text so far.</param>
    public static bool TryContinue(ReadOnlySpan<int> tokens, Span<int> guess)
    {
        for (var length = Math.Min(LongestMatch, tokens.Length - 1); length >= ShortestMatch; length--)
        {
            // The latest place that something follows.
            var match = tokens[..^1].LastIndexOf(tokens[^length..]);
            if (match < 0)
                continue;
            for (var (i, at) = (0, match + length); i < guess.Length; i++, at++)
                guess[i] = at < tokens.Length ? tokens[at] : guess[at - tokens.Length];
            return true;
        }

        return false;
    }
}
