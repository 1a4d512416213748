using System.Globalization;
using System.Text;

namespace Kvasir.Jinja.Values;

/// <summary>Values as Python prints them.</summary>
internal static class PythonText
{
    public static MarkedText Str(RenderBudget budget, object value)
    {
        switch (value)
        {
            case MarkedText text:
                return text;
            case string text:
                return text;
            case Undefined:
                return "";
            case long number:
                return number.ToString(CultureInfo.InvariantCulture);
        }
        var result = new StringBuilder();
        Repr(budget, value, result);
        return result.ToString();
    }

    public static string Float(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        // Both give the shortest digits that read back as the same value; they differ in when an exponent is written.
        string scientific = value.ToString("E16", CultureInfo.InvariantCulture);
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        int exponent = int.Parse(
            scientific.AsSpan(scientific.IndexOf('E', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        int mark = shortest.IndexOf('E', StringComparison.Ordinal);
        string digits = (mark < 0 ? shortest : shortest[..mark]).Replace(".", "", StringComparison.Ordinal).TrimStart('-').TrimStart('0').TrimEnd('0');
        string sign = double.IsNegative(value) ? "-" : "";
        if (digits.Length == 0)
            return sign + "0.0";
        if (mark >= 0)
            exponent = int.Parse(shortest.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent is < -4 or >= 16)
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        if (exponent < 0)
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        digits = digits.PadRight(exponent + 1, '0');
        return $"{sign}{digits[..(exponent + 1)]}.{(digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0")}";
    }

    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    /// <summary>Not empty, and nothing but white space.</summary>
    public static bool IsBlank(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!IsSpace(c))
                return false;
        }
        return text.Length > 0;
    }

    /// <param name="text">What is trimmed.</param>
    /// <param name="set">The characters to take away; white space when null.</param>
    public static string TrimStart(string text, string? set = null)
    {
        int start = 0;
        while (start < text.Length && Belongs(text[start], set))
            start++;
        return text[start..];
    }

    public static string TrimEnd(string text, string? set = null)
    {
        int end = text.Length;
        while (end > 0 && Belongs(text[end - 1], set))
            end--;
        return text[..end];
    }

    private static bool Belongs(char c, string? set) => set is null ? IsSpace(c) : set.Contains(c, StringComparison.Ordinal);

    public static void Repr(RenderBudget budget, object value, StringBuilder result)
    {
        budget.Enter();
        int before = result.Length;
        switch (value)
        {
            case string or MarkedText:
                Quote(budget, MarkedText.Find(value)!, result);
                break;
            case JinjaList list:
                ReprList(budget, list, result);
                break;
            case JinjaMap map:
                ReprEntries(budget, map.Entries, result);
                break;
            case JinjaNamespace names:
                result.Append("<Namespace ");
                ReprEntries(budget, names.Members.Select(member => KeyValuePair.Create<object, object>(member.Key, member.Value)), result);
                result.Append('>');
                break;
            default:
                result.Append(value switch
                {
                    None => "None",
                    bool flag => flag ? "True" : "False",
                    long number => number.ToString(CultureInfo.InvariantCulture),
                    double number => Float(number),
                    Undefined => "Undefined",
                    Function function => $"<function {function.Name}>",
                    _ => $"<{Operators.TypeName(value)}>",
                });
                budget.Characters(result.Length - before);
                break;
        }
        budget.Leave();
    }

    private static void ReprList(RenderBudget budget, JinjaList list, StringBuilder result)
    {
        var (open, close) = list.Kind switch
        {
            ListKind.List => ("[", "]"),
            ListKind.Tuple => ("(", list.Items.Count == 1 ? ",)" : ")"),
            _ => ($"<{list.TypeName} [", "]>"),
        };
        result.Append(open);
        for (int i = 0; i < list.Items.Count; i++)
        {
            if (i > 0)
                result.Append(", ");
            Repr(budget, list.Items[i], result);
        }
        result.Append(close);
    }

    private static void ReprEntries(RenderBudget budget, IEnumerable<KeyValuePair<object, object>> entries, StringBuilder result)
    {
        result.Append('{');
        string separator = "";
        foreach (var (key, value) in entries)
        {
            result.Append(separator);
            separator = ", ";
            Repr(budget, key, result);
            result.Append(": ");
            Repr(budget, value, result);
        }
        result.Append('}');
    }

    private static void Quote(RenderBudget budget, string text, StringBuilder result)
    {
        budget.Characters(text.Length * 2L);
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        result.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            string? escape = c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\\' => "\\\\",
                _ => c == quote ? "\\" + c : null,
            };
            bool pair = i + 1 < text.Length && char.IsSurrogatePair(c, text[i + 1]);
            int code = pair ? char.ConvertToUtf32(c, text[i + 1]) : c;
            if (escape is not null)
                result.Append(escape);
            else if (!IsPrintable(code))
                result.Append(code <= 0xFF ? $"\\x{code:x2}" : code <= 0xFFFF ? $"\\u{code:x4}" : $"\\U{code:x8}");
            else
                result.Append(text, i, pair ? 2 : 1);
            i += pair ? 1 : 0;
        }
        result.Append(quote);
    }

    private static bool IsPrintable(int code) =>
        code == ' ' || CharUnicodeInfo.GetUnicodeCategory(code) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
