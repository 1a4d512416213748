using System.Text;
using Kvasir.Structure.Patterns;

namespace Kvasir.Structure.Schemas;

/// <summary>
/// Rules for one character of a JSON string: as it is in UTF-8, or escaped. Characters that have a short escape may have it; of a set that is not all
/// characters, only those without any other form may be written in hexadecimal digits.
/// </summary>
internal sealed class JsonCharacters(GrammarBuilder grammar)
{
    private const string ShortEscapes = "\"\"\\\\//b\bf\fn\nr\rt\t";
    private static readonly (int First, int Last, int Bytes)[] Lengths = [(0, 0x7F, 1), (0x80, 0x7FF, 2), (0x800, 0xFFFF, 3), (0x10000, 0x10FFFF, 4)];
    private static readonly CodePointSet NeverRaw = CodePointSet.Of((0, 0x1F), ('"', '"'), ('\\', '\\'));
    private static readonly ByteSet Hex = Digits("0123456789abcdefABCDEF");
    private readonly Dictionary<CodePointSet, int> _rules = [];

    /// <summary>The rule of a set.</summary>
    public int Rule(CodePointSet set)
    {
        if (_rules.TryGetValue(set, out var known))
            return known;
        var ways = new List<int>();
        foreach (var (first, last) in set.Except(NeverRaw).Ranges)
            AddRaw(first, last, ways);
        ways.Add(grammar.Byte('\\', grammar.Branch(Escapes(set))));
        return _rules[set] = grammar.Branch(ways);
    }

    /// <summary>Text of a string literal between its quotes.</summary>
    public int Literal(string text, int next)
    {
        var runes = text.EnumerateRunes().ToArray();
        Span<byte> bytes = stackalloc byte[4];
        for (var i = runes.Length - 1; i >= 0; i--)
        {
            var c = runes[i].Value;
            if (!NeverRaw.Contains(c))
                next = grammar.Literal(bytes[..runes[i].EncodeToUtf8(bytes)], next);
            else if (ShortEscape(c) is { } letter)
                next = grammar.Byte('\\', grammar.Byte(letter, next));
            else
                next = grammar.Literal(Encoding.ASCII.GetBytes($"\\u{c:x4}"), next);
        }

        return next;
    }

    private static char? ShortEscape(int c)
    {
        for (var i = 0; i < ShortEscapes.Length; i += 2)
        {
            if (ShortEscapes[i + 1] == c && c != '/')
                return ShortEscapes[i];
        }

        return null;
    }

    private IEnumerable<int> Escapes(CodePointSet set)
    {
        for (var i = 0; i < ShortEscapes.Length; i += 2)
        {
            if (set.Contains(ShortEscapes[i + 1]))
                yield return grammar.Byte(ShortEscapes[i], GrammarBuilder.Return);
        }

        if (set.Equals(CodePointSet.All))
        {
            yield return AnyInHex();
            yield break;
        }

        for (var c = 0; c < 0x20; c++)
        {
            if (set.Contains(c) && ShortEscape(c) is null)
                yield return grammar.Literal("u00"u8, grammar.Bytes(OneDigit(c >> 4), grammar.Bytes(OneDigit(c & 15), GrammarBuilder.Return)));
        }
    }

    // Any four digits, but that the upper half of a pair is followed by a lower half, and a lower half by nothing else than that.
    private int AnyInHex()
    {
        var end = GrammarBuilder.Return;
        int Two(int next) => grammar.Bytes(Hex, grammar.Bytes(Hex, next));
        var low = grammar.Literal("\\u"u8, grammar.Bytes(Digits("dD"), grammar.Bytes(Digits("cdefCDEF"), Two(end))));
        var d = grammar.Branch(grammar.Bytes(Digits("01234567"), Two(end)), grammar.Bytes(Digits("89abAB"), Two(low)));
        return grammar.Byte('u', grammar.Branch(grammar.Bytes(Digits("0123456789abcefABCEF"), grammar.Bytes(Hex, Two(end))), grammar.Bytes(Digits("dD"), d)));
    }

    private static ByteSet OneDigit(int value) => Digits($"{value:x}{value:X}");

    private static ByteSet Digits(string digits)
    {
        var set = default(ByteSet);
        foreach (var digit in digits)
            set = set.Union(ByteSet.Of((byte)digit));
        return set;
    }

    private void AddRaw(int first, int last, List<int> ways)
    {
        foreach (var (least, most, bytes) in Lengths)
        {
            if (Math.Max(first, least) is var low && Math.Min(last, most) is var high && low <= high)
                AddRange(low, high, bytes, GrammarBuilder.Return, ways);
        }
    }

    // A range whose ends have the same leading bytes is a byte and a range of the rest; any other is cut where the leading byte changes.
    private void AddRange(int first, int last, int bytes, int next, List<int> ways)
    {
        var (low, high) = (Encoded(first, bytes), Encoded(last, bytes));
        if (bytes == 1)
        {
            ways.Add(grammar.Bytes(ByteSet.Of(low[0], high[0]), next));
            return;
        }

        ways.Add(Rest(low, high, 0, next));
    }

    private int Rest(byte[] low, byte[] high, int at, int next)
    {
        if (at == low.Length)
            return next;
        if (low[at] == high[at])
            return grammar.Bytes(ByteSet.Of(low[at]), Rest(low, high, at + 1, next));
        var isLowWhole = low.AsSpan(at + 1).IndexOfAnyExcept((byte)0x80) < 0;
        var isHighWhole = high.AsSpan(at + 1).IndexOfAnyExcept((byte)0xBF) < 0;
        var ways = new List<int>();
        var (from, to) = ((int)low[at], (int)high[at]);
        if (!isLowWhole)
            ways.Add(grammar.Bytes(ByteSet.Of((byte)from++), Rest(low, Filled(low, at, 0xBF), at + 1, next)));
        if (!isHighWhole)
            ways.Add(grammar.Bytes(ByteSet.Of((byte)to--), Rest(Filled(high, at, 0x80), high, at + 1, next)));
        if (from <= to)
            ways.Add(grammar.Bytes(ByteSet.Of((byte)from, (byte)to), Continuations(low.Length - at - 1, next)));
        return grammar.Branch(ways);
    }

    private int Continuations(int count, int next)
    {
        for (var i = 0; i < count; i++)
            next = grammar.Bytes(ByteSet.Of(0x80, 0xBF), next);
        return next;
    }

    private static byte[] Filled(byte[] bytes, int at, byte value)
    {
        var filled = (byte[])bytes.Clone();
        filled.AsSpan(at + 1).Fill(value);
        return filled;
    }

    // By hand, since surrogates lie between the ends of some ranges.
    private static byte[] Encoded(int c, int bytes) => bytes switch
    {
        1 => [(byte)c],
        2 => [(byte)(0xC0 | (c >> 6)), (byte)(0x80 | (c & 0x3F))],
        3 => [(byte)(0xE0 | (c >> 12)), (byte)(0x80 | ((c >> 6) & 0x3F)), (byte)(0x80 | (c & 0x3F))],
        _ => [(byte)(0xF0 | (c >> 18)), (byte)(0x80 | ((c >> 12) & 0x3F)), (byte)(0x80 | ((c >> 6) & 0x3F)), (byte)(0x80 | (c & 0x3F))],
    };
}
