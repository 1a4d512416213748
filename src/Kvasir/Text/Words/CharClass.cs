using System.Globalization;
using System.Text;

namespace Kvasir.Text.Words;

/// <summary>What the word patterns ask of a character; one character may be several of these.</summary>
[Flags]
internal enum CharClass : ushort
{
    None = 0,
    Letter = 1,
    Number = 2,
    Space = 4,
    NewLine = 8,

    /// <summary>May stand in the upper-case part of a tekken word.</summary>
    UpperPart = 16,

    /// <summary>May stand in the lower-case part of a tekken word.</summary>
    LowerPart = 32,

    /// <summary>Punctuation, or a symbol in Unicode's sense.</summary>
    Symbol = 64,

    Mark = 128,

    /// <summary>Punctuation in Unicode's sense, or a symbol of ASCII: what is punctuation in either.</summary>
    Punctuation = 256,
}

/// <summary>Classifies characters by Unicode scalar value, so that letters beyond the BMP are letters.</summary>
internal static class CharClasses
{
    private static readonly CharClass[] Ascii = Table(OfRune);

    private static readonly CharClass[] AsciiTekken = Table(OfRuneAsciiCase);

    /// <summary>The class of the character at <paramref name="index"/> and its length in UTF-16 units. Past the end: none, length 0.</summary>
    public static CharClass At(ReadOnlySpan<char> text, int index, out int length)
    {
        if ((uint)index < (uint)text.Length && text[index] < 128)
        {
            length = 1;
            return Ascii[text[index]];
        }
        return index < text.Length ? OfRune(RuneAt(text, index, out length)) : Nothing(out length);
    }

    /// <summary>As <see cref="At"/>, with letters beyond ASCII in both parts of a tekken word and marks in neither.</summary>
    public static CharClass AtAsciiCase(ReadOnlySpan<char> text, int index, out int length)
    {
        if ((uint)index < (uint)text.Length && text[index] < 128)
        {
            length = 1;
            return AsciiTekken[text[index]];
        }
        return index < text.Length ? OfRuneAsciiCase(RuneAt(text, index, out length)) : Nothing(out length);
    }

    private static CharClass Nothing(out int length)
    {
        length = 0;
        return CharClass.None;
    }

    // A surrogate without its partner counts as the replacement character that it becomes in UTF-8.
    private static Rune RuneAt(ReadOnlySpan<char> text, int index, out int length)
    {
        Rune.DecodeFromUtf16(text[index..], out var rune, out length);
        return rune;
    }

    private static CharClass OfRune(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharClass.Letter | CharClass.UpperPart,
        UnicodeCategory.LowercaseLetter => CharClass.Letter | CharClass.LowerPart,
        UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharClass.Letter | CharClass.UpperPart | CharClass.LowerPart,
        UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark =>
            CharClass.Mark | CharClass.UpperPart | CharClass.LowerPart,
        UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation or UnicodeCategory.ClosePunctuation
            or UnicodeCategory.InitialQuotePunctuation or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation =>
            CharClass.Symbol | CharClass.Punctuation,
        UnicodeCategory.MathSymbol or UnicodeCategory.CurrencySymbol or UnicodeCategory.ModifierSymbol or UnicodeCategory.OtherSymbol =>
            rune.IsAscii ? CharClass.Symbol | CharClass.Punctuation : CharClass.Symbol,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharClass.Number,
        _ => rune.Value is '\r' or '\n' ? CharClass.Space | CharClass.NewLine : Rune.IsWhiteSpace(rune) ? CharClass.Space : CharClass.None,
    };

    private static CharClass OfRuneAsciiCase(Rune rune)
    {
        var known = OfRune(rune) & ~(CharClass.UpperPart | CharClass.LowerPart);
        if ((known & CharClass.Letter) == 0)
            return known;
        if (!rune.IsAscii)
            return known | CharClass.UpperPart | CharClass.LowerPart;
        return known | (rune.Value >= 'a' ? CharClass.LowerPart : CharClass.UpperPart);
    }

    private static CharClass[] Table(Func<Rune, CharClass> classify)
    {
        var table = new CharClass[128];
        for (var i = 0; i < table.Length; i++)
            table[i] = classify(new Rune(i));
        return table;
    }
}
