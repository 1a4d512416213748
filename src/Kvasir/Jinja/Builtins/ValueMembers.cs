using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>What stands behind x.name and x[key].</summary>
internal static class ValueMembers
{
    private static readonly Dictionary<string, Builtin> MapMethods = Table(
        new("get", "key default?", (_, map, a) => ((JinjaMap)map).TryGet(a[0]!, out object value) ? value : a[1] ?? None.Value),
        new("items", "", (budget, map, _) => new JinjaList(ListKind.View, ValueSequences.Pairs(budget, (JinjaMap)map))),
        new("keys", "", (budget, map, _) => new JinjaList(ListKind.View, ValueSequences.Keys(budget, (JinjaMap)map))),
        new("values", "", (budget, map, _) => Values(budget, (JinjaMap)map)),
        new("copy", "", (_, map, _) => map));

    private static readonly Dictionary<string, Builtin> ListMethods = Table(
        new("count", "value", (budget, list, a) => (long)((JinjaList)list).Items.Count(item => Operators.AreEqual(budget, item, a[0]!))),
        new("index", "value", (budget, list, a) => ((JinjaList)list).Items.FindIndex(item => Operators.AreEqual(budget, item, a[0]!)) is var index and >= 0
            ? (long)index
            : throw new JinjaFailure("index: the list has no such item")));

    /// <summary>x.name: a method first, then the entry of that name; <see cref="Undefined"/> where there is neither.</summary>
    public static object Attribute(object target, string name)
    {
        switch (target)
        {
            case Undefined undefined:
                throw new JinjaFailure($"no member '{name}' of what is undefined: {undefined.What}");
            case LoopState loop:
                return loop.Member(name);
            case JinjaNamespace names when names.Members.TryGetValue(name, out object? member):
                return member;
            case JinjaMap map when !MapMethods.ContainsKey(name) && map.TryGet(name, out object entry):
                return entry;
        }
        var method = target switch
        {
            string or MarkedText => StringMethods.Find(name),
            JinjaMap => MapMethods.GetValueOrDefault(name),
            JinjaList { Kind: ListKind.List or ListKind.Tuple } => ListMethods.GetValueOrDefault(name),
            _ => null,
        };
        return method is null ? new Undefined($"{Operators.TypeName(target)} has no member '{name}'") : method.BoundTo(target);
    }

    /// <summary>x[key]: an entry or item first, then the method of that name.</summary>
    public static object Item(RenderBudget budget, object target, object key)
    {
        if (target is Undefined undefined)
            throw new JinjaFailure($"no item of what is undefined: {undefined.What}");
        if (target is JinjaMap map && key is string or MarkedText or long or bool or double or None && map.TryGet(key, out object value))
            return value;
        if (key is long or bool && ValueSequences.At(budget, target, Operators.AsLong(key)) is { } item)
            return item;
        return MarkedText.Plain(key) is string name
            ? Attribute(target, name)
            : new Undefined($"{Operators.TypeName(target)} has no item {PythonText.Str(budget, key)}");
    }

    /// <summary>
    /// A path of names and indexes with dots between, as filters take them; what is missing on the way gives <paramref name="otherwise"/>, if any.
    /// </summary>
    public static object Path(RenderBudget budget, object target, string path, object? otherwise = null)
    {
        foreach (string part in path.Split('.'))
        {
            target = Item(budget, target, long.TryParse(part, out long index) ? index : part);
            if (target is Undefined)
                target = otherwise ?? target;
        }
        return target;
    }

    public static Dictionary<string, Builtin> Table(params Builtin[] builtins) => builtins.ToDictionary(builtin => builtin.Name, StringComparer.Ordinal);

    private static JinjaList Values(RenderBudget budget, JinjaMap map)
    {
        budget.Items(map.Count);
        return new JinjaList(ListKind.View, [.. map.Entries.Select(entry => entry.Value)]);
    }
}
