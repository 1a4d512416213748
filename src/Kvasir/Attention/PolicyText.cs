namespace Kvasir.Attention;

/// <summary>
/// How policies are written: name, name:key=value,key=value, or two of these with a plus between. A plus stands inside values too, as in 0+16 and in names of
/// files: one begins a part if a letter follows, then letters, digits and hyphens, and then a colon, a plus or the end.
/// </summary>
internal static class PolicyText
{
    public const char Plus = '+';

    /// <summary>The parts of a text, with nothing lost but the pluses between them.</summary>
    public static IReadOnlyList<string> Parts(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var (parts, first) = (new List<string>(), 0);
        for (var i = 0; i < text.Length; i++)
        {
            if (!BeginsPart(text, i))
                continue;
            parts.Add(text[first..i]);
            first = i + 1;
        }

        parts.Add(text[first..]);
        return parts;
    }

    /// <summary>Whether a text can be the name of a policy: a letter, then letters, digits and hyphens.</summary>
    public static bool IsName(string text) => text.Length > 0 && NameEnd(text, 0) == text.Length;

    private static bool BeginsPart(string text, int index) =>
        text[index] == Plus && NameEnd(text, index + 1) is var end && end > index + 1 && (end == text.Length || text[end] is ':' or Plus);

    // Where a name ends that begins at the index; there if none does.
    private static int NameEnd(string text, int index)
    {
        var end = index;
        while (end < text.Length && (char.IsAsciiLetter(text[end]) || (end > index && (char.IsAsciiDigit(text[end]) || text[end] == '-'))))
            end++;
        return end;
    }
}
