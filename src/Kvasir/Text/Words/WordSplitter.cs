using Kvasir.Ground;

namespace Kvasir.Text.Words;

/// <summary>
/// Finds the words that tokenizers define by regular expressions, without regular expressions: those of .NET
/// work on UTF-16 units and miss every letter beyond the BMP. The pattern stands above each method.
/// </summary>
internal static class WordSplitter
{
    /// <summary>The end (exclusive) of the word that begins at <paramref name="start"/>, always beyond it.</summary>
    public static int NextWord(WordPattern pattern, ReadOnlySpan<char> text, int start) => pattern switch
    {
        WordPattern.Llama3 => Llama3(text, start, maxDigits: 3),
        WordPattern.Qwen2 => Llama3(text, start, maxDigits: 1),
        WordPattern.Seed => Llama3(text, start, maxDigits: 1, takesBreaks: false),
        WordPattern.Gpt4o or WordPattern.Gpt4oAscii => Gpt4o(text, start, pattern == WordPattern.Gpt4oAscii),
        WordPattern.DeepSeek3 => DeepSeekWords.Next(text, start),
        WordPattern.Falcon => FalconWords.Next(text, start),
        WordPattern.Gpt2 => Gpt2(text, start, text.Length),
        WordPattern.SmolLm => SmolLm(text, start),
        WordPattern.Tekken or WordPattern.TekkenAscii => TekkenWords.Next(text, start, pattern == WordPattern.TekkenAscii, out _),
        WordPattern.Lines => Line(text, start),
        WordPattern.SpaceMarks => MarkedWord(text, start),
        WordPattern.EachSpaceMark => NextMark(text, start + 1),
        _ => text.Length,
    };

    // (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
    private static int Llama3(ReadOnlySpan<char> text, int start, int maxDigits, bool takesBreaks = true)
    {
        var contraction = Contraction(text, start, anyCase: true);
        if (contraction > 0)
            return start + contraction;

        var first = CharClasses.At(text, start, out var length);
        if ((first & CharClass.Letter) != 0)
            return Run(text, start + length, CharClass.Letter);
        if ((first & CharClass.Number) != 0)
            return Digits(text, start + length, maxDigits - 1);
        if ((first & CharClass.NewLine) == 0 && (CharClasses.At(text, start + length, out var second) & CharClass.Letter) != 0)
            return Run(text, start + length + second, CharClass.Letter);

        var symbols = Symbols(text, start, text.Length);
        if (symbols == start)
            return Spaces(text, start);
        return takesBreaks ? NewLines(text, symbols) : symbols;
    }

    // Tekken's words with (?i:'s|'t|'re|'ve|'m|'ll|'d)? behind each of letters, and \p{N}{1,3}.
    private static int Gpt4o(ReadOnlySpan<char> text, int start, bool asciiCase)
    {
        if ((CharClasses.At(text, start, out var length) & CharClass.Number) != 0)
            return Digits(text, start + length, more: 2);
        var end = TekkenWords.Next(text, start, asciiCase, out var isOfLetters);
        return isOfLetters && end < text.Length ? end + (IsLongS(text, end, asciiCase) ? 2 : Contraction(text, end, anyCase: true)) : end;
    }

    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
    private static int Gpt2(ReadOnlySpan<char> text, int start, int end)
    {
        text = text[..end];
        var contraction = Contraction(text, start, anyCase: false);
        if (contraction > 0)
            return start + contraction;

        var body = start + (text[start] == ' ' ? 1 : 0);
        var next = CharClasses.At(text, body, out var length);
        if ((next & CharClass.Letter) != 0)
            return Run(text, body + length, CharClass.Letter);
        if ((next & CharClass.Number) != 0)
            return Run(text, body + length, CharClass.Number);
        var symbols = Symbols(text, start, end);
        return symbols > start ? symbols : BareSpaces(text, start);
    }

    // \p{N} first, each alone, then GPT-2's pattern on what lies between.
    private static int SmolLm(ReadOnlySpan<char> text, int start)
    {
        if ((CharClasses.At(text, start, out var length) & CharClass.Number) != 0)
            return start + length;
        var end = start;
        while (end < text.Length && (CharClasses.At(text, end, out length) & CharClass.Number) == 0)
            end += length;
        return Gpt2(text, start, end);
    }

    // [^\n]+|[\n]+
    private static int Line(ReadOnlySpan<char> text, int start)
    {
        var rest = text[start..];
        var end = text[start] == '\n' ? rest.IndexOfAnyExcept('\n') : rest.IndexOf('\n');
        return end < 0 ? text.Length : start + end;
    }

    private static int MarkedWord(ReadOnlySpan<char> text, int start)
    {
        var i = start;
        while (i < text.Length && text[i] == SpaceMarks.Mark)
            i++;
        return i == text.Length ? i : NextMark(text, i);
    }

    private static int NextMark(ReadOnlySpan<char> text, int start)
    {
        var rest = text[start..].IndexOf(SpaceMarks.Mark);
        return rest < 0 ? text.Length : start + rest;
    }

    /// <summary>Length of a contraction such as 'll at <paramref name="start"/>, or 0.</summary>
    private static int Contraction(ReadOnlySpan<char> text, int start, bool anyCase)
    {
        if (text[start] != '\'' || start + 1 >= text.Length)
            return 0;
        var first = Folded(text[start + 1], anyCase);
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (start + 2 >= text.Length)
            return 0;
        return (first, Folded(text[start + 2], anyCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    // Without regard to case the long s of old prints is an s.
    private static bool IsLongS(ReadOnlySpan<char> text, int start, bool asciiCase) => !asciiCase && text[start..] is ['\'', '\u017F', ..];

    private static char Folded(char c, bool anyCase) => anyCase && char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;

    public static int Run(ReadOnlySpan<char> text, int index, CharClass wanted)
    {
        while ((CharClasses.At(text, index, out var length) & wanted) != 0)
            index += length;
        return index;
    }

    public static int Digits(ReadOnlySpan<char> text, int index, int more)
    {
        while (more-- > 0 && (CharClasses.At(text, index, out var length) & CharClass.Number) != 0)
            index += length;
        return index;
    }

    /// <summary> The end of <c> ?[^\s\p{L}\p{N}]+</c>, or <paramref name="start"/> when it does not match.</summary>
    public static int Symbols(ReadOnlySpan<char> text, int start, int end)
    {
        const CharClass others = CharClass.Letter | CharClass.Number | CharClass.Space;
        var body = start + (text[start] == ' ' ? 1 : 0);
        var i = body;
        while (i < end && (CharClasses.At(text, i, out var length) & others) == 0)
            i += length;
        return i > body ? i : start;
    }

    public static int NewLines(ReadOnlySpan<char> text, int index)
    {
        while (index < text.Length && text[index] is '\r' or '\n')
            index++;
        return index;
    }

    // \s*[\r\n]+|\s+(?!\S)|\s+: up to the last line break of the run if it has one, else all but the space that the next word takes.
    public static int Spaces(ReadOnlySpan<char> text, int start)
    {
        var end = Run(text, start, CharClass.Space);
        var lastBreak = text[start..end].LastIndexOfAny('\r', '\n');
        return lastBreak >= 0 ? start + lastBreak + 1 : BareSpaces(text, start);
    }

    private static int BareSpaces(ReadOnlySpan<char> text, int start)
    {
        var end = Run(text, start, CharClass.Space);
        Invariant.Holds(end > start);
        return end < text.Length && end - start > 1 ? end - 1 : end;      // all white space is one UTF-16 unit long
    }
}
