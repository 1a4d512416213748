namespace Kvasir.Text.Words;

/// <summary>
/// Words of DeepSeek 3 and Hunyuan, cut in three passes: <c>\p{N}{1,3}</c>; runs of U+4E00 to U+9FA5 and U+3040 to U+30FF; and between these
/// <c>[!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// What none of it matches is a word of its own.
/// </summary>
internal static class DeepSeekWords
{
    private const CharClass Word = CharClass.Letter | CharClass.Mark;

    public static int Next(ReadOnlySpan<char> text, int start)
    {
        if ((CharClasses.At(text, start, out var length) & CharClass.Number) != 0)
            return WordSplitter.Digits(text, start + length, more: 2);
        var end = start;
        while (end < text.Length && IsIdeograph(text[end]))
            end++;
        if (end > start)
            return end;
        end = Reach(text, start);
        var between = text[..end];
        for (var i = start; i < end; i += length)
        {
            if (Match(between, i) is var found && found > i)
                return i == start ? found : i;
            CharClasses.At(text, i, out length);
        }

        return end;
    }

    // As far as a match may look: not beyond a number or an ideograph, nor beyond four runs of one kind each, so that a long text is read once.
    private static int Reach(ReadOnlySpan<char> text, int start)
    {
        const int MostRuns = 4;
        const CharClass kinds = Word | CharClass.Symbol | CharClass.Space;
        var (end, runs, before) = (start, 0, CharClass.None);
        while (end < text.Length && !IsIdeograph(text[end]))
        {
            var found = CharClasses.At(text, end, out var length);
            var kind = (found & Word) != 0 ? Word : found & kinds & ~CharClass.NewLine;
            if ((found & CharClass.Number) != 0 || ((runs == 0 || kind != before) && ++runs > MostRuns))
                break;
            (before, end) = (kind, end + length);
        }

        return end;
    }

    private static bool IsIdeograph(char c) => c is >= '\u4E00' and <= '\u9FA5' or >= '\u3040' and <= '\u30FF';

    // The end of what matches at the place, or the place.
    private static int Match(ReadOnlySpan<char> text, int start)
    {
        var first = CharClasses.At(text, start, out var length);
        if ((first & CharClass.Symbol) != 0 && text[start] < 128 && start + 1 < text.Length && char.IsAsciiLetter(text[start + 1]))
            return AsciiLetters(text, start + 1);
        if ((first & Word) != 0)
            return WordSplitter.Run(text, start, Word);
        if ((first & (CharClass.NewLine | CharClass.Symbol)) == 0 && (CharClasses.At(text, start + length, out _) & Word) != 0)
            return WordSplitter.Run(text, start + length, Word);
        var symbols = WordSplitter.Run(text, start + (text[start] == ' ' ? 1 : 0), CharClass.Symbol);
        if (symbols > start + (text[start] == ' ' ? 1 : 0))
            return WordSplitter.NewLines(text, symbols);
        return (first & CharClass.Space) != 0 ? WordSplitter.Spaces(text, start) : start;
    }

    private static int AsciiLetters(ReadOnlySpan<char> text, int index)
    {
        while (index < text.Length && char.IsAsciiLetter(text[index]))
            index++;
        return index;
    }
}
