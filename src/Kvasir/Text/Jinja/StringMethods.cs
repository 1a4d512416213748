using System.Text;

namespace Kvasir.Text.Jinja;

/// <summary>Methods of strings.</summary>
internal static class StringMethods
{
    private static readonly Dictionary<string, Builtin> Table = Members.Table(
        new("upper", "", (budget, s, _) => Read(budget, s).ToUpperInvariant()),
        new("lower", "", (budget, s, _) => Read(budget, s).ToLowerInvariant()),
        new("title", "", (budget, s, _) => Title(Read(budget, s), c => !char.IsLetter(c))),
        new("capitalize", "", (budget, s, _) => Capitalize(Read(budget, s))),
        new("strip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: true, end: true)),
        new("lstrip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: true, end: false)),
        new("rstrip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: false, end: true)),
        new("split", "sep? maxsplit?", (budget, s, a) => Splitting.Split(budget, Read(budget, s), a[0], a[1], fromEnd: false)),
        new("rsplit", "sep? maxsplit?", (budget, s, a) => Splitting.Split(budget, Read(budget, s), a[0], a[1], fromEnd: true)),
        new("splitlines", "keepends?", (budget, s, a) => Splitting.Lines(budget, Read(budget, s), Require.Flag(a[0]))),
        new("partition", "sep", (budget, s, a) => Splitting.Partition(budget, Read(budget, s), Require.Text(a[0], "partition"), fromEnd: false)),
        new("rpartition", "sep", (budget, s, a) => Splitting.Partition(budget, Read(budget, s), Require.Text(a[0], "rpartition"), fromEnd: true)),
        new("startswith", "prefix", (budget, s, a) => AnyAffix(budget, s, a[0]!, (text, prefix) => text.StartsWith(prefix, StringComparison.Ordinal))),
        new("endswith", "suffix", (budget, s, a) => AnyAffix(budget, s, a[0]!, (text, suffix) => text.EndsWith(suffix, StringComparison.Ordinal))),
        new("removeprefix", "prefix", (budget, s, a) =>
            Read(budget, s) is var text && Require.Text(a[0], "removeprefix") is var prefix && text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text),
        new("removesuffix", "suffix", (budget, s, a) =>
            Read(budget, s) is var text && Require.Text(a[0], "removesuffix") is var suffix && text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text),
        new("replace", "old new count?", (budget, s, a) =>
            Replace(budget, (string)s, Require.Text(a[0], "replace"), Require.Text(a[1], "replace"), Require.Integer(a[2], "replace", -1))),
        new("find", "sub", (budget, s, a) => Find(budget, s, a[0], last: false)),
        new("rfind", "sub", (budget, s, a) => Find(budget, s, a[0], last: true)),
        new("index", "sub", (budget, s, a) => Find(budget, s, a[0], last: false) is var at and >= 0 ? at : throw new JinjaFailure("index: the string has no such part")),
        new("count", "sub", (budget, s, a) => Count(budget, (string)s, Require.Text(a[0], "count"))),
        new("join", "items", (budget, s, a) => Join(budget, (string)s, Sequences.Items(budget, a[0]!), item => Require.Text(item, "join"))),
        new("isdigit", "", (budget, s, _) => All(budget, s, char.IsDigit)),
        new("isnumeric", "", (budget, s, _) => All(budget, s, char.IsNumber)),
        new("isalpha", "", (budget, s, _) => All(budget, s, char.IsLetter)),
        new("isalnum", "", (budget, s, _) => All(budget, s, c => char.IsLetter(c) || char.IsNumber(c))),
        new("isspace", "", (budget, s, _) => All(budget, s, PythonText.IsSpace)),
        new("islower", "", (budget, s, _) => IsCased(Read(budget, s), char.IsLower, char.IsUpper)),
        new("isupper", "", (budget, s, _) => IsCased(Read(budget, s), char.IsUpper, char.IsLower)));

    public static Builtin? Find(string name) => Table.GetValueOrDefault(name);

    /// <summary>Upper case at the start of each word, lower case elsewhere; <paramref name="endsWord"/> tells what stands between words.</summary>
    public static string Title(string text, Func<char, bool> endsWord)
    {
        var result = new StringBuilder(text.Length);
        bool starts = true;
        foreach (char c in text)
        {
            result.Append(starts ? char.ToUpperInvariant(c) : char.ToLowerInvariant(c));
            starts = endsWord(c);
        }
        return result.ToString();
    }

    public static string Capitalize(string text) => text.Length == 0 ? "" : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    public static string Strip(Budget budget, object text, object? set, bool start, bool end)
    {
        string result = Read(budget, text);
        string? characters = Require.TextOrNull(set, "strip");
        budget.Search(result, characters ?? "");
        if (start)
            result = PythonText.TrimStart(result, characters);
        return end ? PythonText.TrimEnd(result, characters) : result;
    }

    /// <summary>At most <paramref name="count"/> replacements, from the start; all when it is negative.</summary>
    public static string Replace(Budget budget, string text, string old, string replacement, long count)
    {
        budget.Search(text, old);
        if (old.Length == 0)
            return Intersperse(budget, text, replacement, count);
        var result = new StringBuilder();
        int from = 0;
        for (int at; count != 0 && (at = text.IndexOf(old, from, StringComparison.Ordinal)) >= 0; count--)
        {
            budget.Characters(replacement.Length);
            result.Append(text, from, at - from).Append(replacement);
            from = at + old.Length;
        }
        return from == 0 && result.Length == 0 ? text : result.Append(text, from, text.Length - from).ToString();
    }

    public static string Join(Budget budget, string separator, List<object> items, Func<object, string> toText)
    {
        budget.Items(items.Count);
        var result = new StringBuilder();
        for (int i = 0; i < items.Count; i++)
        {
            string text = toText(items[i]);
            budget.Characters(separator.Length + text.Length);
            result.Append(i > 0 ? separator : "").Append(text);
        }
        return result.ToString();
    }

    public static bool IsCased(string text, Func<char, bool> wanted, Func<char, bool> unwanted) => text.Any(wanted) && !text.Any(unwanted);

    // Every method reads its string once at least, and makes none longer.
    private static string Read(Budget budget, object text)
    {
        budget.Characters(((string)text).Length);
        return (string)text;
    }

    // An empty string lies before each character and at the end.
    private static string Intersperse(Budget budget, string text, string part, long count)
    {
        var result = new StringBuilder();
        foreach (object point in CodePoints.Split(budget, text))
        {
            budget.Characters(part.Length);
            result.Append(count != 0 ? part : "").Append((string)point);
            count -= count > 0 ? 1 : 0;
        }
        return result.Append(count != 0 ? part : "").ToString();
    }

    private static bool AnyAffix(Budget budget, object text, object affixes, Func<string, string, bool> matches)
    {
        if (affixes is not JinjaList { Kind: ListKind.Tuple } several)
        {
            string one = Require.Text(affixes, "startswith and endswith");
            budget.Characters(one.Length);
            return matches((string)text, one);
        }
        budget.Items(several.Items.Count);
        return several.Items.Any(affix => AnyAffix(budget, text, Require.Text(affix, "startswith and endswith"), matches));
    }

    private static long Find(Budget budget, object text, object? part, bool last)
    {
        string whole = (string)text;
        string wanted = Require.Text(part, "find");
        budget.Search(whole, wanted);
        int at = last ? whole.LastIndexOf(wanted, StringComparison.Ordinal) : whole.IndexOf(wanted, StringComparison.Ordinal);
        return at < 0 ? -1 : CodePoints.Count(whole[..at]);
    }

    private static long Count(Budget budget, string text, string part)
    {
        budget.Search(text, part);
        if (part.Length == 0)
            return CodePoints.Count(text) + 1L;
        long count = 0;
        for (int at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
            count++;
        return count;
    }

    private static object All(Budget budget, object text, Func<char, bool> belongs) => Read(budget, text).Length > 0 && ((string)text).All(belongs);
}
