using System.Globalization;
using Kvasir.Files;

namespace Kvasir.Structure.Patterns;

/// <summary>
/// Reads a regular expression of the dialect that JSON schemas have, ECMA's, as far as it is regular: no look-around, no back references. A pattern that is not
/// anchored may be found anywhere, so text of any kind goes around it.
/// </summary>
/// <param name="pattern">The expression.</param>
/// <param name="place">Where it stands, for messages.</param>
internal sealed class PatternParser(string pattern, string place)
{
    private const int MostRepeats = 10_000;
    private const int MostDepth = 64;
    private static readonly CodePointSet Digits = CodePointSet.Of(('0', '9'));
    private static readonly CodePointSet WordCharacters = CodePointSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));
    private static readonly CodePointSet LineEnds = CodePointSet.Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));
    private static readonly CodePointSet Spaces = CodePointSet.Of(
        (9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
        (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF));
    private static readonly PatternRepeat Anything = new(new PatternSet(CodePointSet.All), 0, null);
    private int _at;
    private int _depth;

    private bool IsAtEnd => _at == pattern.Length;

    private bool EndsBranch => IsAtEnd || pattern[_at] == '|';

    /// <exception cref="KvasirException">It is no regular expression, or uses what is not supported.</exception>
    public PatternNode Parse()
    {
        var branches = new List<PatternNode>();
        do
        {
            branches.Add(Branch());
        }
        while (Take('|'));
        return IsAtEnd ? new PatternChoice(branches) : throw Bad("')' closes nothing");
    }

    // One alternative of the outermost level, the only one where anchors may stand.
    private PatternSequence Branch()
    {
        var items = new List<PatternNode>();
        if (!Take('^'))
            items.Add(Anything);
        items.AddRange(Items());
        if (!Take('$'))
            items.Add(Anything);
        else if (!EndsBranch)
            throw Unsupported("'$' in the middle");
        return new PatternSequence(items);
    }

    private PatternChoice Group()
    {
        if (++_depth > MostDepth)
            throw Bad($"groups are nested more than {MostDepth} deep");
        var branches = new List<PatternNode>();
        do
        {
            branches.Add(new PatternSequence(Items()));
            if (!IsAtEnd && pattern[_at] == '$')
                throw Unsupported("'$' inside a group");
        }
        while (Take('|'));
        if (!Take(')'))
            throw Bad("a group is not closed");
        _depth--;
        return new PatternChoice(branches);
    }

    private List<PatternNode> Items()
    {
        var items = new List<PatternNode>();
        while (!IsAtEnd && pattern[_at] is not ('|' or ')' or '$'))
            items.Add(Quantified(Atom()));
        return items;
    }

    private PatternNode Quantified(PatternNode atom)
    {
        if (IsAtEnd)
            return atom;
        var (least, most) = pattern[_at] switch
        {
            '*' => (0, (int?)null),
            '+' => (1, null),
            '?' => (0, 1),
            '{' => Counts(),
            _ => (1, 1),
        };
        if (pattern[_at] is not ('*' or '+' or '?' or '}'))
            return atom;
        _at++;
        // Lazy ones accept the same texts.
        Take('?');
        return new PatternRepeat(atom, least, most);
    }

    // Leaves the closing brace to be taken.
    private (int Least, int? Most) Counts()
    {
        _at++;
        var least = Number();
        var most = !Take(',') ? least : !IsAtEnd && pattern[_at] != '}' ? Number() : (int?)null;
        if (IsAtEnd || pattern[_at] != '}')
            throw Bad("a repetition is not closed");
        return most < least ? throw Bad($"the repetition {{{least},{most}}} is empty") : (least, most);
    }

    private int Number()
    {
        var start = _at;
        while (!IsAtEnd && char.IsAsciiDigit(pattern[_at]))
            _at++;
        if (!int.TryParse(pattern.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value > MostRepeats)
            throw Bad($"'{MessageText.Line(pattern[start.._at])}' is no repetition from 0 to {MostRepeats}");
        return value;
    }

    private PatternNode Atom()
    {
        var c = CodePoint();
        return c switch
        {
            '.' => new PatternSet(LineEnds.Complement()),
            '[' => new PatternSet(Class()),
            '(' => Opened(),
            '\\' => new PatternSet(Escape(inClass: false)),
            '*' or '+' or '?' or '{' => throw Bad($"'{(char)c}' repeats nothing"),
            '^' => throw Unsupported("'^' in the middle"),
            _ => new PatternSet(CodePointSet.Of((c, c))),
        };
    }

    private PatternChoice Opened()
    {
        if (!Take('?') || Take(':'))
            return Group();
        if (!IsAtEnd && pattern[_at] is '=' or '!')
            throw Unsupported("look-ahead");
        if (!Take('<'))
            throw Unsupported("a group with options");
        if (!IsAtEnd && pattern[_at] is '=' or '!')
            throw Unsupported("look-behind");
        while (!Take('>'))
        {
            if (IsAtEnd)
                throw Bad("the name of a group is not closed");
            _at++;
        }

        return Group();
    }

    private CodePointSet Class()
    {
        var isNegated = Take('^');
        var set = CodePointSet.None;
        while (!Take(']'))
        {
            var first = ClassItem();
            if (IsAtEnd)
                throw Bad("a class is not closed");
            // A hyphen before the end, or behind a class such as \d, is a hyphen.
            if (pattern[_at] != '-' || _at + 1 >= pattern.Length || pattern[_at + 1] == ']' || first.Ranges is not [var (low, same)] || low != same)
            {
                set = set.Union(first);
                continue;
            }

            _at++;
            var last = ClassItem();
            if (last.Ranges is not [var (high, alike)] || high != alike || high < low)
                throw Bad("a range of a class is empty or has no end");
            set = set.Union(CodePointSet.Of((low, high)));
        }

        return isNegated ? set.Complement() : set;
    }

    private CodePointSet ClassItem()
    {
        if (IsAtEnd)
            throw Bad("a class is not closed");
        var c = CodePoint();
        return c == '\\' ? Escape(inClass: true) : CodePointSet.Of((c, c));
    }

    private CodePointSet Escape(bool inClass)
    {
        if (IsAtEnd)
            throw Bad("it ends in a backslash");
        var c = CodePoint();
        return c switch
        {
            'd' => Digits,
            'D' => Digits.Complement(),
            'w' => WordCharacters,
            'W' => WordCharacters.Complement(),
            's' => Spaces,
            'S' => Spaces.Complement(),
            'p' => Category(),
            'P' => Category().Complement(),
            'b' when !inClass => throw Unsupported("a word boundary"),
            'B' => throw Unsupported("a word boundary"),
            'k' or (>= '1' and <= '9') => throw Unsupported("a back reference"),
            _ => One(Character(c)),
        };
    }

    private int Character(int c) => c switch
    {
        'b' => '\b',
        'f' => '\f',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\v',
        '0' => 0,
        'x' => Hex(2),
        'u' => Unicode(),
        'c' when !IsAtEnd && char.IsAsciiLetter(pattern[_at]) => pattern[_at++] & 31,
        _ when c < 128 && char.IsAsciiLetterOrDigit((char)c) => throw Bad($"'\\{(char)c}' is no escape"),
        _ => c,
    };

    private int Unicode()
    {
        if (Take('{'))
        {
            var close = pattern.IndexOf('}', _at);
            if (close <= _at || close - _at > 6)
                throw Bad("'\\u{' is not closed");
            var wide = Hex(close - _at);
            _at++;
            return wide <= 0x10FFFF ? wide : throw Bad($"'\\u{{{wide:x}}}' is beyond the characters there are");
        }

        var high = Hex(4);
        if (!char.IsHighSurrogate((char)high) || !pattern.AsSpan(_at).StartsWith("\\u"))
            return high;
        _at += 2;
        var low = Hex(4);
        return char.IsLowSurrogate((char)low) ? char.ConvertToUtf32((char)high, (char)low) : throw Bad("half of a surrogate pair");
    }

    private int Hex(int digits)
    {
        if (_at + digits > pattern.Length
            || !int.TryParse(pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw Bad($"{digits} hexadecimal digits were expected");
        _at += digits;
        return value;
    }

    private CodePointSet Category()
    {
        var close = pattern.IndexOf('}', _at);
        if (!Take('{') || close < _at)
            throw Bad("'\\p' names no category");
        var name = pattern[_at..close];
        _at = close + 1;
        return CodePointSet.OfCategory(name) ?? throw Unsupported($"the category '{MessageText.Line(name)}'");
    }

    private CodePointSet One(int c) => c is >= 0xD800 and <= 0xDFFF ? throw Bad("half of a surrogate pair") : CodePointSet.Of((c, c));

    private int CodePoint()
    {
        var c = pattern[_at++];
        if (!char.IsSurrogate(c))
            return c;
        if (!IsAtEnd && char.IsSurrogatePair(c, pattern[_at]))
            return char.ConvertToUtf32(c, pattern[_at++]);
        throw Bad("half of a surrogate pair");
    }

    private bool Take(char c)
    {
        if (IsAtEnd || pattern[_at] != c)
            return false;
        _at++;
        return true;
    }

    private KvasirException Bad(string problem) =>
        new(KvasirError.BadOption, $"{place}: the pattern '{MessageText.Line(pattern)}' cannot be read: {problem} (character {_at})");

    private KvasirException Unsupported(string what) =>
        new(KvasirError.Unsupported, $"{place}: the pattern '{MessageText.Line(pattern)}' has {what} (character {_at}), which is not supported");
}
