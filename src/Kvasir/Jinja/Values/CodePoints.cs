namespace Kvasir.Jinja.Values;

/// <summary>Python's strings are sequences of code points, .NET's of UTF-16 units; they differ beyond the basic plane.</summary>
internal static class CodePoints
{
    public static int Count(string text)
    {
        int count = text.Length;
        if (!IsPlain(text))
        {
            for (int i = 0; i + 1 < text.Length; i++)
                count -= char.IsSurrogatePair(text[i], text[i + 1]) ? 1 : 0;
        }
        return count;
    }

    /// <summary>One string per code point; half a surrogate pair stands alone.</summary>
    public static List<object> Split(RenderBudget budget, MarkedText text)
    {
        budget.Items(text.Length);
        var points = new List<object>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            points.Add(text.Slice(i, pair ? 2 : 1));
            i += pair ? 1 : 0;
        }
        return points;
    }

    public static int Compare(string x, string y)
    {
        int same = x.AsSpan().CommonPrefixLength(y);
        if (same == x.Length || same == y.Length)
            return x.Length.CompareTo(y.Length);
        // Surrogates stand for code points above all that one unit can hold.
        return (char.IsSurrogate(x[same]), char.IsSurrogate(y[same])) switch
        {
            (true, false) => 1,
            (false, true) => -1,
            _ => x[same].CompareTo(y[same]),
        };
    }

    public static bool IsPlain(string text) => !text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');
}
