namespace Kvasir.Jinja.Values;

/// <summary>What can be walked, counted, indexed and cut.</summary>
internal static class ValueSequences
{
    public static List<object> Items(RenderBudget budget, object value) => value switch
    {
        JinjaList list => list.Items,
        JinjaMap map => Keys(budget, map),
        string or MarkedText => CodePoints.Split(budget, MarkedText.Find(value)!),
        Undefined => [],
        _ => throw new JinjaFailure($"{Operators.TypeName(value)} cannot be walked"),
    };

    public static long Length(object value) => value switch
    {
        string or MarkedText => CodePoints.Count(MarkedText.Find(value)!),
        JinjaList { Kind: not ListKind.Iterator } list => list.Items.Count,
        JinjaMap map => map.Count,
        Undefined => 0,
        _ => throw new JinjaFailure($"{Operators.TypeName(value)} has no length"),
    };

    /// <summary>The item at an index from 0, or from the end where it is negative; null where there is none.</summary>
    public static object? At(RenderBudget budget, object value, long index)
    {
        if (MarkedText.Find(value) is { } text)
        {
            if (!CodePoints.IsPlain(text))
                return At(budget, new JinjaList(ListKind.List, CodePoints.Split(budget, text)), index);
            index += index < 0 ? text.Length : 0;
            return index >= 0 && index < text.Length ? text.Slice((int)index, 1) : null;
        }
        if (value is not JinjaList { Kind: ListKind.List or ListKind.Tuple } list)
            return null;
        index += index < 0 ? list.Items.Count : 0;
        return index >= 0 && index < list.Items.Count ? list.Items[(int)index] : null;
    }

    public static object Cut(RenderBudget budget, object value, long? start, long? stop, long step)
    {
        if (step == 0)
            throw new JinjaFailure("a slice cannot have the step 0");
        switch (MarkedText.Find(value) ?? value)
        {
            case MarkedText text when CodePoints.IsPlain(text) && step == 1:
                var (from, to) = Bounds(text.Length, start, stop, 1);
                budget.Characters(Math.Max(to - from, 0));
                return from < to ? text[(int)from..(int)to] : "";
            case MarkedText text:
                var points = Cut(budget, CodePoints.Split(budget, text), start, stop, step);
                return MarkedText.Concat(points);
            case JinjaList { Kind: ListKind.List or ListKind.Tuple } list:
                return new JinjaList(list.Kind, Cut(budget, list.Items, start, stop, step));
            default:
                throw new JinjaFailure($"{Operators.TypeName(value)} cannot be sliced");
        }
    }

    public static List<object> Keys(RenderBudget budget, JinjaMap map)
    {
        budget.Items(map.Count);
        return [.. map.Entries.Select(entry => entry.Key)];
    }

    public static List<object> Pairs(RenderBudget budget, JinjaMap map)
    {
        budget.Items(3L * map.Count);
        return [.. map.Entries.Select(entry => JinjaList.Tuple(entry.Key, entry.Value))];
    }

    private static List<object> Cut(RenderBudget budget, List<object> items, long? start, long? stop, long step)
    {
        var (from, to) = Bounds(items.Count, start, stop, step);
        var result = new List<object>();
        budget.Items(Math.Max(0, (to - from) / step));
        // A step beyond the length is the same as one of the length: it takes the first item only.
        step = Math.Clamp(step, -items.Count - 1, items.Count + 1);
        for (long i = from; step > 0 ? i < to : i > to; i += step)
            result.Add(items[(int)i]);
        return result;
    }

    // Python's rule: bounds count from the end where negative, and are then held within the sequence.
    private static (long From, long To) Bounds(long length, long? start, long? stop, long step)
    {
        long low = step > 0 ? 0 : -1;
        long high = step > 0 ? length : length - 1;
        long Held(long bound) => Math.Clamp(bound < 0 ? Math.Max(bound, -length - 1) + length : bound, low, high);
        return (start is { } from ? Held(from) : step > 0 ? low : high, stop is { } to ? Held(to) : step > 0 ? high : low);
    }
}
