namespace Kvasir.Text.Words;

/// <summary>
/// Words of Mistral's tekken. U stands for [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W for [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
/// <c>[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
internal static class TekkenWords
{
    /// <summary>The end of the word that begins at <paramref name="start"/>, and whether it is of one of the two forms of letters.</summary>
    public static int Next(ReadOnlySpan<char> text, int start, bool asciiCase, out bool isOfLetters)
    {
        var first = Class(text, start, asciiCase, out var length);

        // The optional character in front is tried first, as a greedy expression does. It may itself be a mark, which is in U and W.
        var afterFront = (first & (CharClass.NewLine | CharClass.Letter | CharClass.Number)) == 0 ? start + length : -1;
        var end = afterFront >= 0 ? LowerEnding(text, afterFront, asciiCase) : -1;
        if (end < 0)
            end = LowerEnding(text, start, asciiCase);
        if (end < 0 && afterFront >= 0)
            end = UpperBeginning(text, afterFront, asciiCase);
        if (end < 0)
            end = UpperBeginning(text, start, asciiCase);
        isOfLetters = end >= 0;
        if (isOfLetters)
            return end;

        if ((first & CharClass.Number) != 0)
            return start + length;
        var symbols = WordSplitter.Symbols(text, start, text.Length);
        return symbols > start ? LineEnd(text, symbols) : WordSplitter.Spaces(text, start);
    }

    // U*W+ with backtracking: when no pure W follows the run of U, the last character of the run that is also in W ends the word.
    private static int LowerEnding(ReadOnlySpan<char> text, int start, bool asciiCase)
    {
        var i = start;
        var lastShared = -1;
        CharClass found;
        int length;
        while (((found = Class(text, i, asciiCase, out length)) & CharClass.UpperPart) != 0)
        {
            i += length;
            if ((found & CharClass.LowerPart) != 0)
                lastShared = i;
        }
        return (found & CharClass.LowerPart) != 0 ? Lowers(text, i + length, asciiCase) : lastShared;
    }

    // U+W*
    private static int UpperBeginning(ReadOnlySpan<char> text, int start, bool asciiCase)
    {
        var i = start;
        while ((Class(text, i, asciiCase, out var length) & CharClass.UpperPart) != 0)
            i += length;
        return i > start ? Lowers(text, i, asciiCase) : -1;
    }

    private static int Lowers(ReadOnlySpan<char> text, int index, bool asciiCase)
    {
        while ((Class(text, index, asciiCase, out var length) & CharClass.LowerPart) != 0)
            index += length;
        return index;
    }

    private static int LineEnd(ReadOnlySpan<char> text, int index)
    {
        while (index < text.Length && text[index] is '\r' or '\n' or '/')
            index++;
        return index;
    }

    private static CharClass Class(ReadOnlySpan<char> text, int index, bool asciiCase, out int length) =>
        asciiCase ? CharClasses.AtAsciiCase(text, index, out length) : CharClasses.At(text, index, out length);
}
