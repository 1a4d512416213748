namespace Kvasir.Text.Words;

/// <summary>
/// Words of Falcon, cut in three passes: runs of <c>[\p{P}$+&lt;=&gt;^~|`]</c>; in what lies between, each by itself,
/// <c> ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s</c>; and in those every three ASCII digits that follow each other, from the left.
/// </summary>
internal static class FalconWords
{
    private const int DigitsOfWord = 3;

    public static int Next(ReadOnlySpan<char> text, int start)
    {
        var punctuation = WordSplitter.Run(text, start, CharClass.Punctuation);
        if (punctuation > start)
            return punctuation;
        var body = WordSplitter.Run(text, start, CharClass.Space);
        // White space before punctuation ends what lies between; else the last blank goes with what follows.
        if (body > start && (body == text.Length || (CharClasses.At(text, body, out _) & CharClass.Punctuation) != 0))
            return body;
        if (body - start > 1)
            return body - 1;
        if (body > start && text[start] != ' ')
            return body;
        var first = CharClasses.At(text, body, out _);
        if ((first & CharClass.Letter) != 0)
            return WordSplitter.Run(text, body, CharClass.Letter);
        return (first & CharClass.Number) != 0 ? Number(text, start, body) : Others(text, body);
    }

    private static int Number(ReadOnlySpan<char> text, int start, int index)
    {
        var digits = 0;
        while ((CharClasses.At(text, index, out var length) & CharClass.Number) != 0)
        {
            digits = char.IsAsciiDigit(text[index]) ? digits + 1 : 0;
            index += length;
            if (digits == DigitsOfWord)
                return index - DigitsOfWord > start ? index - DigitsOfWord : index;
        }

        return index;
    }

    private static int Others(ReadOnlySpan<char> text, int index)
    {
        const CharClass Known = CharClass.Letter | CharClass.Number | CharClass.Space | CharClass.Punctuation;
        while (index < text.Length && (CharClasses.At(text, index, out var length) & Known) == 0)
            index += length;
        return index;
    }
}
