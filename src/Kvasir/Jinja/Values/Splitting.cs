namespace Kvasir.Jinja.Values;

/// <summary>The string methods that cut a string into parts.</summary>
internal static class Splitting
{
    public static JinjaList Split(RenderBudget budget, MarkedText text, object? separator, object? limit, bool fromEnd)
    {
        long most = ArgumentTypes.Integer(limit, "split", -1);
        string? wanted = ArgumentTypes.TextOrNull(separator, "split");
        if (wanted?.Length == 0)
            throw new JinjaFailure("split: the separator is empty");
        budget.Search(text, wanted ?? "");
        budget.Items(text.Length / Math.Max(1, wanted?.Length ?? 1));
        var parts = (wanted, fromEnd) switch
        {
            (null, false) => Words(text, most),
            (null, true) => WordsFromEnd(text, most),
            (_, false) => Parts(text, wanted, most),
            _ => PartsFromEnd(text, wanted, most),
        };
        return new JinjaList(ListKind.List, parts);
    }

    public static JinjaList Lines(RenderBudget budget, MarkedText text, bool keepsEnds)
    {
        budget.Items(text.Length);
        var lines = new List<object>();
        int start = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029'))
                continue;
            int next = text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n' ? i + 2 : i + 1;
            lines.Add(text[start..(keepsEnds ? next : i)]);
            start = next;
            i = next - 1;
        }
        if (start < text.Length)
            lines.Add(text[start..]);
        return new JinjaList(ListKind.List, lines);
    }

    public static JinjaList Partition(RenderBudget budget, MarkedText text, string separator, bool fromEnd)
    {
        if (separator.Length == 0)
            throw new JinjaFailure("partition: the separator is empty");
        budget.Search(text, separator);
        int at = fromEnd ? text.Value.LastIndexOf(separator, StringComparison.Ordinal) : text.Value.IndexOf(separator, StringComparison.Ordinal);
        if (at < 0)
            return fromEnd ? JinjaList.Tuple("", "", text) : JinjaList.Tuple(text, "", "");
        // The separator as the text has it, not as the template spells it: it is no more the template's than what surrounds it.
        return JinjaList.Tuple(text[..at], text.Slice(at, separator.Length), text[(at + separator.Length)..]);
    }

    private static List<object> Parts(MarkedText text, string separator, long most)
    {
        var parts = new List<object>();
        int start = 0;
        for (int at; most-- != 0 && (at = text.Value.IndexOf(separator, start, StringComparison.Ordinal)) >= 0; start = at + separator.Length)
            parts.Add(text[start..at]);
        parts.Add(text[start..]);
        return parts;
    }

    private static List<object> PartsFromEnd(MarkedText text, string separator, long most)
    {
        var parts = new List<object>();
        int end = text.Length;
        for (int at; most-- != 0 && (at = text.Value.AsSpan(0, end).LastIndexOf(separator)) >= 0; end = at)
            parts.Add(text[(at + separator.Length)..end]);
        parts.Add(text[..end]);
        parts.Reverse();
        return parts;
    }

    private static List<object> Words(MarkedText text, long most)
    {
        var words = new List<object>();
        int at = 0;
        while (true)
        {
            while (at < text.Length && PythonText.IsSpace(text[at]))
                at++;
            if (at == text.Length)
                return words;
            int start = at;
            while (at < text.Length && (most == 0 || !PythonText.IsSpace(text[at])))
                at++;
            words.Add(text[start..at]);
            most--;
        }
    }

    private static List<object> WordsFromEnd(MarkedText text, long most)
    {
        var words = new List<object>();
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PythonText.IsSpace(text[end - 1]))
                end--;
            if (end == 0)
                break;
            int start = end;
            while (start > 0 && (most == 0 || !PythonText.IsSpace(text[start - 1])))
                start--;
            words.Add(text[start..end]);
            end = start;
            most--;
        }
        words.Reverse();
        return words;
    }
}
