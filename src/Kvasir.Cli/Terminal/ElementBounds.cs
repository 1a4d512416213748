namespace Kvasir.Cli.Terminal;

/// <summary>Places in a long text from which its elements can be found without reading all that comes before.</summary>
internal static class ElementBounds
{
    /// <summary>
    /// The last place at or before <paramref name="index"/> where an element surely begins: between two characters of scripts that join none, or beside a line
    /// feed. The beginning of the text where there is none.
    /// </summary>
    public static int Before(ReadOnlySpan<char> text, int index)
    {
        for (var i = Math.Min(index, text.Length - 1); i > 0; i--)
        {
            if (text[i - 1] == '\n' || (IsPlain(text[i]) && IsPlain(text[i - 1])))
                return i;
        }

        return 0;
    }

    // ASCII, letters from Latin to Armenian, kana and ideographs: marks that join lie in other blocks, or are no letters.
    private static bool IsPlain(char c) =>
        c is (>= ' ' and < '\x7f') or (>= '\u3041' and <= '\u3096') or (>= '\u30A1' and <= '\u30FA') or (>= '\u3400' and <= '\u9FFF')
        || (c < '\u0590' && char.IsLetter(c));
}
