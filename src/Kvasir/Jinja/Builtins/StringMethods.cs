using System.Text;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>Methods of strings.</summary>
internal static class StringMethods
{
    private static readonly Dictionary<string, Builtin> Table = ValueMembers.Table(
        new("upper", "", (budget, s, _) => Read(budget, s).Mapped(static text => text.ToUpperInvariant())),
        new("lower", "", (budget, s, _) => Read(budget, s).Mapped(static text => text.ToLowerInvariant())),
        new("title", "", (budget, s, _) => Read(budget, s).Mapped(static text => Title(text, c => !char.IsLetter(c)))),
        new("capitalize", "", (budget, s, _) => Read(budget, s).Mapped(Capitalize)),
        new("strip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: true, end: true)),
        new("lstrip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: true, end: false)),
        new("rstrip", "chars?", (budget, s, a) => Strip(budget, s, a[0], start: false, end: true)),
        new("split", "sep? maxsplit?", (budget, s, a) => Splitting.Split(budget, Read(budget, s), a[0], a[1], fromEnd: false)),
        new("rsplit", "sep? maxsplit?", (budget, s, a) => Splitting.Split(budget, Read(budget, s), a[0], a[1], fromEnd: true)),
        new("splitlines", "keepends?", (budget, s, a) => Splitting.Lines(budget, Read(budget, s), ArgumentTypes.Flag(a[0]))),
        new("partition", "sep", (budget, s, a) => Splitting.Partition(budget, Read(budget, s), ArgumentTypes.Text(a[0], "partition"), fromEnd: false)),
        new("rpartition", "sep", (budget, s, a) => Splitting.Partition(budget, Read(budget, s), ArgumentTypes.Text(a[0], "rpartition"), fromEnd: true)),
        new("startswith", "prefix", (budget, s, a) => AnyAffix(budget, s, a[0]!, (text, prefix) => text.StartsWith(prefix, StringComparison.Ordinal))),
        new("endswith", "suffix", (budget, s, a) => AnyAffix(budget, s, a[0]!, (text, suffix) => text.EndsWith(suffix, StringComparison.Ordinal))),
        new("removeprefix", "prefix", (budget, s, a) =>
            Read(budget, s) is var text && ArgumentTypes.Text(a[0], "removeprefix") is var prefix && text.Value.StartsWith(prefix, StringComparison.Ordinal)
                ? text[prefix.Length..]
                : text),
        new("removesuffix", "suffix", (budget, s, a) =>
            Read(budget, s) is var text && ArgumentTypes.Text(a[0], "removesuffix") is var suffix && text.Value.EndsWith(suffix, StringComparison.Ordinal)
                ? text[..^suffix.Length]
                : text),
        new("replace", "old new count?", (budget, s, a) =>
            Replace(
                budget, MarkedText.Find(s)!, ArgumentTypes.Text(a[0], "replace"),
                ArgumentTypes.Text(a[1], "replace"), ArgumentTypes.Integer(a[2], "replace", -1))),
        new("find", "sub", (budget, s, a) => Find(budget, s, a[0], last: false)),
        new("rfind", "sub", (budget, s, a) => Find(budget, s, a[0], last: true)),
        new("index", "sub", (budget, s, a) =>
            Find(budget, s, a[0], last: false) is var at and >= 0 ? at : throw new JinjaFailure("index: the string has no such part")),
        new("count", "sub", (budget, s, a) => Count(budget, MarkedText.Find(s)!, ArgumentTypes.Text(a[0], "count"))),
        new("join", "items", (budget, s, a) =>
            Join(budget, MarkedText.Find(s)!, ValueSequences.Items(budget, a[0]!), item => ArgumentTypes.Text(item, "join"))),
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

    public static MarkedText Strip(RenderBudget budget, object text, object? set, bool start, bool end)
    {
        var result = Read(budget, text);
        string? characters = ArgumentTypes.TextOrNull(set, "strip");
        budget.Search(result, characters ?? "");
        if (start)
            result = result[(result.Length - PythonText.TrimStart(result, characters).Length)..];
        return end ? result[..PythonText.TrimEnd(result, characters).Length] : result;
    }

    /// <summary>At most <paramref name="count"/> replacements, from the start; all when it is negative.</summary>
    public static MarkedText Replace(RenderBudget budget, MarkedText text, string old, MarkedText replacement, long count)
    {
        budget.Search(text, old);
        if (old.Length == 0)
            return Intersperse(budget, text, replacement, count);
        var result = new MarkedTextBuilder();
        int from = 0;
        for (int at; count != 0 && (at = text.Value.IndexOf(old, from, StringComparison.Ordinal)) >= 0; count--)
        {
            budget.Characters(replacement.Length);
            result.Append(text[from..at]).Append(replacement);
            from = at + old.Length;
        }
        return from == 0 && result.Length == 0 ? text : result.Append(text[from..]).ToText();
    }

    public static MarkedText Join(RenderBudget budget, MarkedText separator, List<object> items, Func<object, MarkedText> toText)
    {
        budget.Items(items.Count);
        var result = new MarkedTextBuilder();
        for (int i = 0; i < items.Count; i++)
        {
            var text = toText(items[i]);
            budget.Characters(separator.Length + text.Length);
            result.Append(i > 0 ? separator : "").Append(text);
        }
        return result.ToText();
    }

    public static bool IsCased(string text, Func<char, bool> wanted, Func<char, bool> unwanted) => text.Any(wanted) && !text.Any(unwanted);

    // Every method reads its string once at least, and makes none longer.
    private static MarkedText Read(RenderBudget budget, object value)
    {
        var text = MarkedText.Find(value)!;
        budget.Characters(text.Length);
        return text;
    }

    // An empty string lies before each character and at the end.
    private static MarkedText Intersperse(RenderBudget budget, MarkedText text, MarkedText part, long count)
    {
        var result = new MarkedTextBuilder();
        foreach (object point in CodePoints.Split(budget, text))
        {
            budget.Characters(part.Length);
            result.Append(count != 0 ? part : "").Append((MarkedText)point);
            count -= count > 0 ? 1 : 0;
        }
        return result.Append(count != 0 ? part : "").ToText();
    }

    private static bool AnyAffix(RenderBudget budget, object text, object affixes, Func<string, string, bool> matches)
    {
        if (affixes is not JinjaList { Kind: ListKind.Tuple } several)
        {
            string one = ArgumentTypes.Text(affixes, "startswith and endswith");
            budget.Characters(one.Length);
            return matches(MarkedText.Find(text)!, one);
        }
        budget.Items(several.Items.Count);
        return several.Items.Any(affix => AnyAffix(budget, text, ArgumentTypes.Text(affix, "startswith and endswith"), matches));
    }

    private static long Find(RenderBudget budget, object text, object? part, bool last)
    {
        string whole = MarkedText.Find(text)!;
        string wanted = ArgumentTypes.Text(part, "find");
        budget.Search(whole, wanted);
        int at = last ? whole.LastIndexOf(wanted, StringComparison.Ordinal) : whole.IndexOf(wanted, StringComparison.Ordinal);
        return at < 0 ? -1 : CodePoints.Count(whole[..at]);
    }

    private static long Count(RenderBudget budget, string text, string part)
    {
        budget.Search(text, part);
        if (part.Length == 0)
            return CodePoints.Count(text) + 1L;
        long count = 0;
        for (int at = 0; (at = text.IndexOf(part, at, StringComparison.Ordinal)) >= 0; at += part.Length)
            count++;
        return count;
    }

    private static object All(RenderBudget budget, object text, Func<char, bool> belongs) =>
        Read(budget, text).Value is { Length: > 0 } read && read.All(belongs);
}
