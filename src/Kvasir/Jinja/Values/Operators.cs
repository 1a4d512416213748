namespace Kvasir.Jinja.Values;

/// <summary>Truth, equality, order and membership of values, as Python has them.</summary>
internal static class Operators
{
    public static bool IsTrue(object value) => MarkedText.Plain(value) switch
    {
        bool flag => flag,
        string text => text.Length > 0,
        long number => number != 0,
        double number => number != 0,
        JinjaList list => list.Kind == ListKind.Iterator || list.Items.Count > 0,
        JinjaMap map => map.Count > 0,
        None or Undefined => false,
        _ => true,
    };

    public static string TypeName(object value) => value switch
    {
        None => "none",
        Undefined => "undefined",
        bool => "bool",
        long => "int",
        double => "float",
        string or MarkedText => "string",
        JinjaList list => list.TypeName,
        JinjaMap => "map",
        JinjaNamespace => "namespace",
        LoopState => "loop",
        _ => "function",
    };

    public static bool ScalarsEqual(object x, object y) => (MarkedText.Plain(x), MarkedText.Plain(y)) switch
    {
        (string a, string b) => a == b,
        (None, None) => true,
        (long or bool, long or bool) => AsLong(x) == AsLong(y),
        (long or bool or double, long or bool or double) => AsDouble(x) == AsDouble(y),
        _ => false,
    };

    public static bool AreEqual(RenderBudget budget, object x, object y)
    {
        (x, y) = (MarkedText.Plain(x), MarkedText.Plain(y));
        if (x is string a && y is string b)
            budget.Characters(Math.Min(a.Length, b.Length));
        return (x, y) switch
        {
            (JinjaList p, JinjaList q) => ReferenceEquals(p, q) || ListsEqual(budget, p, q),
            (JinjaMap p, JinjaMap q) => ReferenceEquals(p, q) || MapsEqual(budget, p, q),
            (Undefined, Undefined) => true,
            _ => ReferenceEquals(x, y) || ScalarsEqual(x, y),
        };
    }

    /// <summary>Negative, zero or positive; fails for values that have no order between them.</summary>
    public static int Compare(RenderBudget budget, object x, object y)
    {
        budget.Step();
        (x, y) = (MarkedText.Plain(x), MarkedText.Plain(y));
        switch (x, y)
        {
            case (string a, string b):
                budget.Characters(Math.Min(a.Length, b.Length));
                return CodePoints.Compare(a, b);
            case (long or bool, long or bool):
                return AsLong(x).CompareTo(AsLong(y));
            case (JinjaList { Kind: ListKind.List or ListKind.Tuple } p, JinjaList q) when p.Kind == q.Kind:
                return CompareLists(budget, p, q);
        }
        if (x is long or bool or double && y is long or bool or double)
            return AsDouble(x).CompareTo(AsDouble(y));
        throw new JinjaFailure($"{TypeName(x)} and {TypeName(y)} cannot be compared");
    }

    public static bool Ordered(RenderBudget budget, string comparison, object x, object y)
    {
        // Nothing is less or greater than NaN, whereas CompareTo sorts it first.
        bool unordered = x is double.NaN || y is double.NaN;
        int order = Compare(budget, x, y);
        return !unordered && comparison switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    public static bool Contains(RenderBudget budget, object container, object wanted)
    {
        switch (MarkedText.Plain(container))
        {
            case string text when MarkedText.Plain(wanted) is string part:
                budget.Search(text, part);
                return text.Contains(part, StringComparison.Ordinal);
            case string:
                throw new JinjaFailure($"'in' looks for a string in a string, not for {TypeName(wanted)}");
            case JinjaMap map:
                return map.TryGet(wanted, out _);
            case JinjaList list:
                budget.Items(list.Items.Count);
                foreach (object item in list.Items)
                {
                    if (AreEqual(budget, item, wanted))
                        return true;
                }
                return false;
            case Undefined:
                return false;
            default:
                throw new JinjaFailure($"'in' cannot look into {TypeName(container)}");
        }
    }

    public static bool IsNumber(object value) => value is long or double or bool;

    public static long AsLong(object value) => value is bool flag ? (flag ? 1 : 0) : (long)value;

    public static double AsDouble(object value) => value is double number ? number : AsLong(value);

    private static bool ListsEqual(RenderBudget budget, JinjaList x, JinjaList y)
    {
        if (x.Kind != y.Kind || x.Items.Count != y.Items.Count)
            return false;
        budget.Enter();
        for (int i = 0; i < x.Items.Count; i++)
        {
            budget.Step();
            if (!AreEqual(budget, x.Items[i], y.Items[i]))
                return false;
        }
        budget.Leave();
        return true;
    }

    private static bool MapsEqual(RenderBudget budget, JinjaMap x, JinjaMap y)
    {
        if (x.Count != y.Count)
            return false;
        budget.Enter();
        foreach (var (key, value) in x.Entries)
        {
            budget.Step();
            if (!y.TryGet(key, out object other) || !AreEqual(budget, value, other))
                return false;
        }
        budget.Leave();
        return true;
    }

    private static int CompareLists(RenderBudget budget, JinjaList x, JinjaList y)
    {
        budget.Enter();
        int order = 0;
        for (int i = 0; order == 0 && i < Math.Min(x.Items.Count, y.Items.Count); i++)
        {
            if (!AreEqual(budget, x.Items[i], y.Items[i]))
                order = Compare(budget, x.Items[i], y.Items[i]);
        }
        budget.Leave();
        return order != 0 ? order : x.Items.Count.CompareTo(y.Items.Count);
    }
}
