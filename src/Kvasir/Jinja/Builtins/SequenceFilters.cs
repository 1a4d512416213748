using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>Filters of lists, maps and other sequences.</summary>
internal static class SequenceFilters
{
    private static readonly Dictionary<string, Builtin> Table = ValueMembers.Table(
        new("length", "", (_, x, _) => ValueSequences.Length(x)),
        new("count", "", (_, x, _) => ValueSequences.Length(x)),
        new("list", "", (budget, x, _) => new JinjaList(ListKind.List, Copy(budget, x))),
        new("first", "", (budget, x, _) => ValueSequences.Items(budget, x) is [var first, ..] ? first : new Undefined("there is no first item")),
        new("last", "", (budget, x, _) => ValueSequences.Items(budget, x) is [.., var last] ? last : new Undefined("there is no last item")),
        new("reverse", "", Reverse),
        new("items", "", Items),
        new("join", "d? attribute?", (budget, x, a) =>
            StringMethods.Join(budget, PythonText.Str(budget, a[0] ?? ""), Copy(budget, x), item => PythonText.Str(budget, Key(budget, item, a[1], true)))),
        new("unique", "case_sensitive? attribute?", (budget, x, a) => Unique(budget, x, a[1], ArgumentTypes.Flag(a[0]))),
        new("sort", "reverse? case_sensitive? attribute?", (budget, x, a) =>
            new JinjaList(ListKind.List, Sorted(budget, Copy(budget, x), item => Key(budget, item, a[2], ArgumentTypes.Flag(a[1])), ArgumentTypes.Flag(a[0])))),
        new("dictsort", "case_sensitive? by? reverse?", DictSort),
        new("min", "case_sensitive? attribute?", (budget, x, a) => Extreme(budget, x, a, -1)),
        new("max", "case_sensitive? attribute?", (budget, x, a) => Extreme(budget, x, a, 1)),
        new("sum", "attribute? start?", Sum),
        new("map", Map),
        new("select", (budget, x, a) => Select(budget, x, a, byAttribute: false, wanted: true)),
        new("reject", (budget, x, a) => Select(budget, x, a, byAttribute: false, wanted: false)),
        new("selectattr", (budget, x, a) => Select(budget, x, a, byAttribute: true, wanted: true)),
        new("rejectattr", (budget, x, a) => Select(budget, x, a, byAttribute: true, wanted: false)));

    public static Builtin? Find(string name) => Table.GetValueOrDefault(name);

    private static List<object> Copy(RenderBudget budget, object value)
    {
        var items = ValueSequences.Items(budget, value);
        budget.Items(items.Count);
        return [.. items];
    }

    private static object Reverse(RenderBudget budget, object value, object?[] arguments)
    {
        var items = Copy(budget, value);
        items.Reverse();
        return value is string or MarkedText ? MarkedText.Concat(items) : new JinjaList(ListKind.Iterator, items);
    }

    private static JinjaList Items(RenderBudget budget, object value, object?[] arguments) => value switch
    {
        JinjaMap map => new JinjaList(ListKind.Iterator, ValueSequences.Pairs(budget, map)),
        Undefined => new JinjaList(ListKind.Iterator, []),
        _ => throw new JinjaFailure($"items takes a map, not {Operators.TypeName(value)}"),
    };

    // What an item is compared or printed by: itself or one of its members, and without regard to case unless that counts.
    private static object Key(RenderBudget budget, object item, object? attribute, bool caseSensitive)
    {
        object key = attribute switch
        {
            null or None => item,
            string or MarkedText => ValueMembers.Path(budget, item, MarkedText.Find(attribute)!),
            _ => ValueMembers.Item(budget, item, attribute),
        };
        return !caseSensitive && MarkedText.Find(key) is { } text ? text.Mapped(static text => text.ToLowerInvariant()) : key;
    }

    private static JinjaList Unique(RenderBudget budget, object value, object? attribute, bool caseSensitive)
    {
        var seen = new JinjaMap();
        var result = new List<object>();
        foreach (object item in Copy(budget, value))
        {
            object key = Key(budget, item, attribute, caseSensitive);
            if (seen.TryGet(key, out _))
                continue;
            seen[key] = true;
            result.Add(item);
        }
        return new JinjaList(ListKind.Iterator, result);
    }

    private static List<object> Sorted(RenderBudget budget, List<object> items, Func<object, object> key, bool descending)
    {
        var keyed = new List<(object Key, object Item)>(items.Count);
        foreach (object item in items)
            keyed.Add((key(item), item));
        var sorted = Sorting.Sorted(budget, keyed, (x, y) => descending ? Operators.Compare(budget, y.Key, x.Key) : Operators.Compare(budget, x.Key, y.Key));
        return [.. sorted.Select(pair => pair.Item)];
    }

    private static JinjaList DictSort(RenderBudget budget, object value, object?[] arguments)
    {
        if (value is not JinjaMap map)
            throw new JinjaFailure($"dictsort takes a map, not {Operators.TypeName(value)}");
        string by = ArgumentTypes.TextOrNull(arguments[1], "dictsort") ?? "key";
        if (by is not ("key" or "value"))
            throw new JinjaFailure($"dictsort sorts by 'key' or 'value', not by '{by}'");
        object position = by == "key" ? 0L : 1L;
        return new JinjaList(ListKind.List,
            Sorted(
                budget, ValueSequences.Pairs(budget, map),
                pair => Key(budget, pair, position, ArgumentTypes.Flag(arguments[0])), ArgumentTypes.Flag(arguments[2])));
    }

    private static object Extreme(RenderBudget budget, object value, object?[] arguments, int sign)
    {
        object? best = null;
        object? bestKey = null;
        foreach (object item in Copy(budget, value))
        {
            object key = Key(budget, item, arguments[1], ArgumentTypes.Flag(arguments[0]));
            if (bestKey is not null && Operators.Compare(budget, key, bestKey) * sign <= 0)
                continue;
            best = item;
            bestKey = key;
        }
        return best ?? new Undefined("there is no item");
    }

    private static object Sum(RenderBudget budget, object value, object?[] arguments)
    {
        object sum = arguments[1] ?? 0L;
        foreach (object item in Copy(budget, value))
            sum = JinjaArithmetic.Apply(budget, "+", sum, Key(budget, item, arguments[0], caseSensitive: true));
        return sum;
    }

    private static JinjaList Map(RenderBudget budget, object value, ArgumentValues arguments)
    {
        var items = Copy(budget, value);
        Func<object, object> map;
        if (arguments.Positional.Count == 0)
        {
            object?[] bound = arguments.Bind("map", ["attribute", "default"], 1);
            map = item => ValueMembers.Path(budget, item, PythonText.Str(budget, bound[0]!), bound[1]);
        }
        else
        {
            string name = ArgumentTypes.Text(arguments.Positional[0], "map");
            var filter = Filters.Find(name) ?? throw new JinjaFailure($"filter '{name}' is not supported");
            var rest = arguments.Skip(1);
            map = item => filter.Apply(budget, item, rest);
        }
        for (int i = 0; i < items.Count; i++)
            items[i] = map(items[i]);
        return new JinjaList(ListKind.Iterator, items);
    }

    private static JinjaList Select(RenderBudget budget, object value, ArgumentValues arguments, bool byAttribute, bool wanted)
    {
        int skip = byAttribute ? 1 : 0;
        if (arguments.Positional.Count < skip)
            throw new JinjaFailure("selectattr and rejectattr need the name of a member");
        object? attribute = byAttribute ? arguments.Positional[0] : null;
        string? name = arguments.Positional.Count > skip ? ArgumentTypes.Text(arguments.Positional[skip], "select") : null;
        var test = name is null ? null : JinjaTests.Find(name) ?? throw new JinjaFailure($"test '{name}' is not supported");
        var rest = arguments.Skip(skip + 1);
        var result = new List<object>();
        foreach (object item in Copy(budget, value))
        {
            object key = Key(budget, item, attribute, caseSensitive: true);
            if (Operators.IsTrue(test is null ? key : test.Apply(budget, key, rest)) == wanted)
                result.Add(item);
        }
        return new JinjaList(ListKind.Iterator, result);
    }
}
