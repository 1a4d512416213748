using System.Globalization;
using System.Text;

namespace Kvasir.Structure.Patterns;

/// <summary>A set of Unicode scalar values: ascending ranges that do not touch, without surrogates. Equal by content.</summary>
internal sealed class CodePointSet : IEquatable<CodePointSet>
{
    private const int Last = 0x10FFFF;
    private const int FirstSurrogate = 0xD800;
    private const int LastSurrogate = 0xDFFF;
    private readonly (int First, int Last)[] _ranges;

    private CodePointSet((int First, int Last)[] ranges) => _ranges = ranges;

    public static CodePointSet All { get; } = Of((0, Last));

    public static CodePointSet None { get; } = Of();

    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    public static CodePointSet Of(params ReadOnlySpan<(int First, int Last)> ranges)
    {
        var sorted = new List<(int First, int Last)>(ranges.Length + 1);
        foreach (var (first, last) in ranges)
        {
            if (first < FirstSurrogate && last >= FirstSurrogate)
                sorted.Add((first, FirstSurrogate - 1));
            if (first <= LastSurrogate && last > LastSurrogate)
                sorted.Add((LastSurrogate + 1, last));
            if (last < FirstSurrogate || first > LastSurrogate)
                sorted.Add((first, last));
        }

        sorted.Sort();
        var result = new List<(int First, int Last)>(sorted.Count);
        foreach (var (first, last) in sorted)
        {
            if (last < first)
                continue;
            if (result.Count > 0 && first <= result[^1].Last + 1)
                result[^1] = (result[^1].First, Math.Max(result[^1].Last, last));
            else
                result.Add((first, last));
        }

        return new CodePointSet([.. result]);
    }

    /// <summary>Characters of a general category, as L or Nd; null for a name that is none.</summary>
    public static CodePointSet? OfCategory(string name)
    {
        // In the order of UnicodeCategory.
        string[] names =
        [
            "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl",
            "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
            "Sc", "Sk", "So", "Cn",
        ];
        if (name.Length is 0 or > 2 || !names.Any(known => known.StartsWith(name, StringComparison.Ordinal)))
            return null;
        var ranges = new List<(int, int)>();
        for (var c = 0; c <= Last; c++)
        {
            var start = c;
            while (c <= Last && names[(int)CharUnicodeInfo.GetUnicodeCategory(c)].StartsWith(name, StringComparison.Ordinal))
                c++;
            if (c > start)
                ranges.Add((start, c - 1));
        }

        return Of([.. ranges]);
    }

    public bool Contains(int codePoint)
    {
        var (low, high) = (0, _ranges.Length - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (_ranges[middle].Last < codePoint)
                low = middle + 1;
            else if (_ranges[middle].First > codePoint)
                high = middle - 1;
            else
                return true;
        }

        return false;
    }

    public CodePointSet Union(CodePointSet other) => Of([.. _ranges, .. other._ranges]);

    public CodePointSet Complement()
    {
        var (ranges, next) = (new List<(int, int)>(), 0);
        foreach (var (first, last) in _ranges)
        {
            ranges.Add((next, first - 1));
            next = last + 1;
        }

        ranges.Add((next, Last));
        return Of([.. ranges]);
    }

    public CodePointSet Except(CodePointSet other) => Complement().Union(other).Complement();

    public bool Equals(CodePointSet? other) => other is not null && _ranges.AsSpan().SequenceEqual(other._ranges);

    public override bool Equals(object? obj) => Equals(obj as CodePointSet);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var range in _ranges)
            hash.Add(range);
        return hash.ToHashCode();
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (first, last) in _ranges)
            text.Append(CultureInfo.InvariantCulture, $"[{first:x}-{last:x}]");
        return text.ToString();
    }
}
