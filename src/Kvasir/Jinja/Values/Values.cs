namespace Kvasir.Jinja.Values;

// A template's value is one of: None, Undefined, bool, long, double, string or MarkedText, JinjaList, JinjaMap, JinjaNamespace, LoopState, Function.

internal sealed class None
{
    public static readonly None Value = new();
}

/// <summary>What a missing variable, member or item gives: it prints as nothing, is false and empty, and anything else that is done with it fails.</summary>
internal sealed record Undefined(string What);

internal enum ListKind
{
    List,
    Tuple,

    /// <summary>A map's keys, values or items: counted, but not indexed.</summary>
    View,

    /// <summary>What map, select, reverse and the like give: only walked, and always true.</summary>
    Iterator,
}

/// <summary>Values in order; never changed once a template can see it.</summary>
internal sealed class JinjaList(ListKind kind, List<object> items)
{
    public ListKind Kind { get; } = kind;

    public List<object> Items { get; } = items;

    public string TypeName => Kind switch
    {
        ListKind.Tuple => "tuple",
        ListKind.View => "view",
        ListKind.Iterator => "generator",
        _ => "list",
    };

    public static JinjaList Tuple(params ReadOnlySpan<object> items) => new(ListKind.Tuple, [.. items]);
}

/// <summary>Entries in the order in which their keys first came; never changed once a template can see it.</summary>
internal sealed class JinjaMap
{
    private readonly OrderedDictionary<object, object> _entries = new(new KeyComparer());

    public int Count => _entries.Count;

    public IEnumerable<KeyValuePair<object, object>> Entries => _entries;

    public object this[object key]
    {
        set => _entries[Checked(key)] = value;
    }

    /// <summary>What is undefined may be asked for, but is never there.</summary>
    public bool TryGet(object key, out object value)
    {
        value = key;
        return key is not Undefined && _entries.TryGetValue(Checked(key), out value!);
    }

    private static object Checked(object key) => key is string or MarkedText or long or bool or double or None
        ? key
        : throw new JinjaFailure($"{Operators.TypeName(key)} cannot be the key of a map");

    // As in Python, 1, 1.0 and true are one key.
    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public new bool Equals(object? x, object? y) => Operators.ScalarsEqual(x!, y!);

        public int GetHashCode(object key) => key switch
        {
            bool flag => flag ? 1.0.GetHashCode() : 0.0.GetHashCode(),
            long number => ((double)number).GetHashCode(),
            _ => MarkedText.Plain(key).GetHashCode(),
        };
    }
}

/// <summary>namespace(): the one value whose members a template may set.</summary>
internal sealed class JinjaNamespace
{
    public Dictionary<string, object> Members { get; } = new(StringComparer.Ordinal);
}

/// <summary>Anything that can be called: a global function, a macro, or a method with the value that it belongs to.</summary>
internal sealed class Function(string name, Func<RenderBudget, ArgumentValues, object> body)
{
    public string Name { get; } = name;

    public object Invoke(RenderBudget budget, ArgumentValues arguments) => body(budget, arguments);
}
