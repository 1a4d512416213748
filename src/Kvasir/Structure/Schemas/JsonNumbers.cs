using System.Globalization;
using System.Numerics;

namespace Kvasir.Structure.Schemas;

/// <summary>
/// Rules for numbers. Integers are those of 64 bits; others have no more digits than tell any double from its
/// neighbours, are finite as doubles, and come to an end.
/// </summary>
internal sealed class JsonNumbers(GrammarBuilder grammar)
{
    private const int WholeDigits = 21;
    private const int FractionDigits = 24;
    private const int ExponentDigits = 2;
    private static readonly ByteSet Digit = ByteSet.Of((byte)'0', (byte)'9');
    private static readonly ByteSet FirstDigit = ByteSet.Of((byte)'1', (byte)'9');
    private readonly Dictionary<(long, long, int), int> _ranges = [];

    /// <summary>Any number.</summary>
    public int Number()
    {
        var end = GrammarBuilder.Return;
        var exponent = grammar.Bytes(ByteSet.Of((byte)'e').Union(ByteSet.Of((byte)'E')), Signed(UpTo(ExponentDigits, 1, end)));
        var behindPoint = grammar.Branch(end, exponent);
        var behindWhole = grammar.Branch(behindPoint, grammar.Byte('.', UpTo(FractionDigits, 1, behindPoint)));
        var whole = grammar.Branch(grammar.Byte('0', behindWhole), grammar.Bytes(FirstDigit, UpTo(WholeDigits - 1, 0, behindWhole)));
        return grammar.Branch(whole, grammar.Byte('-', whole));
    }

    /// <summary>Integers from one to another, both included.</summary>
    public int Integer(long least, long most, int next = GrammarBuilder.Return)
    {
        if (_ranges.TryGetValue((least, most, next), out var known))
            return known;
        var ways = new List<int>();
        if (least < 0 && least <= most)
            ways.Add(grammar.Byte('-', grammar.Branch(Magnitudes(BigInteger.Abs(BigInteger.Min(most, -1)), BigInteger.Abs(least), next))));
        if (most >= 0 && least <= most)
            ways.AddRange(Magnitudes(BigInteger.Max(least, 0), most, next));
        return _ranges[(least, most, next)] = grammar.Branch(ways);
    }

    // By count of digits: within one, numbers are in the order of their digits.
    private IEnumerable<int> Magnitudes(BigInteger least, BigInteger most, int next)
    {
        for (var digits = 1; digits <= 20; digits++)
        {
            var low = digits == 1 ? 0 : BigInteger.Pow(10, digits - 1);
            var high = BigInteger.Pow(10, digits) - 1;
            (low, high) = (BigInteger.Max(low, least), BigInteger.Min(high, most));
            if (low <= high)
                yield return Between(low.ToString(CultureInfo.InvariantCulture), high.ToString(CultureInfo.InvariantCulture), 0, next);
        }
    }

    // Digits of the same count from one to another.
    private int Between(string low, string high, int at, int next)
    {
        if (at == low.Length)
            return next;
        if (low[at] == high[at])
            return grammar.Byte(low[at], Between(low, high, at + 1, next));
        var (from, to) = (low[at], high[at]);
        var ways = new List<int>();
        if (low.AsSpan(at + 1).ContainsAnyExcept('0'))
            ways.Add(grammar.Byte(from++, Between(low, low[..(at + 1)].PadRight(low.Length, '9'), at + 1, next)));
        if (high.AsSpan(at + 1).ContainsAnyExcept('9'))
            ways.Add(grammar.Byte(to--, Between(high[..(at + 1)].PadRight(high.Length, '0'), high, at + 1, next)));
        if (from <= to)
            ways.Add(grammar.Bytes(ByteSet.Of((byte)from, (byte)to), Exactly(low.Length - at - 1, next)));
        return grammar.Branch(ways);
    }

    private int Exactly(int count, int next)
    {
        for (var i = 0; i < count; i++)
            next = grammar.Bytes(Digit, next);
        return next;
    }

    private int UpTo(int most, int least, int next)
    {
        var step = next;
        for (var left = 1; left <= most; left++)
        {
            var digit = grammar.Bytes(Digit, step);
            step = most - left < least ? digit : grammar.Branch(digit, next);
        }

        return step;
    }

    private int Signed(int next) => grammar.Branch(next, grammar.Bytes(ByteSet.Of((byte)'+').Union(ByteSet.Of((byte)'-')), next));
}
