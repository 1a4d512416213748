using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>Functions that every chat template may call.</summary>
internal static class Globals
{
    private const long MaxRange = 100_000;

    public static void Define(Scope scope, TimeProvider clock)
    {
        Builtin[] functions =
        [
            new("raise_exception", "message", (budget, _, a) => throw new JinjaFailure(PythonText.Str(budget, a[0]!))),
            new("strftime_now", "format", (budget, _, a) => Calendar.Format(clock.GetLocalNow(), Require.Text(a[0], "strftime_now"))),
            new("range", "start stop? step?", Range),
            new("namespace", Namespace),
            new("dict", Map),
        ];
        foreach (var function in functions)
            scope.Set(function.Name, function.BoundTo(None.Value));
    }

    private static JinjaList Range(Budget budget, object self, object?[] arguments)
    {
        long first = Require.Integer(arguments[0], "range");
        long start = arguments[1] is null ? 0 : first;
        long stop = arguments[1] is null ? first : Require.Integer(arguments[1], "range");
        long step = Require.Integer(arguments[2], "range", 1);
        if (step == 0)
            throw new JinjaFailure("range cannot have the step 0");
        Int128 count = ((Int128)stop - start + step - Math.Sign(step)) / step;
        if (count > MaxRange)
            throw new JinjaFailure($"range of {count} numbers, above the limit of {MaxRange}");
        budget.Items((long)Int128.Max(count, 0));
        var numbers = new List<object>();
        for (long i = 0; i < count; i++)
            numbers.Add(start + i * step);
        return new JinjaList(ListKind.List, numbers);
    }

    private static JinjaNamespace Namespace(Budget budget, object self, Arguments arguments)
    {
        var names = new JinjaNamespace();
        foreach (var (key, value) in MapOf(budget, "namespace", arguments).Entries)
            names.Members[Require.Text(key, "namespace")] = value;
        return names;
    }

    private static JinjaMap Map(Budget budget, object self, Arguments arguments) => MapOf(budget, "dict", arguments);

    // A map or a list of pairs first, if any; then the named arguments.
    private static JinjaMap MapOf(Budget budget, string function, Arguments arguments)
    {
        if (arguments.Positional.Count > 1)
            throw new JinjaFailure($"{function} takes one map, not {arguments.Positional.Count}");
        var map = new JinjaMap();
        if (arguments.Positional is [var source])
        {
            foreach (object pair in source is JinjaMap entries ? Sequences.Pairs(budget, entries) : Sequences.Items(budget, source))
            {
                if (Sequences.Items(budget, pair) is not [var key, var value])
                    throw new JinjaFailure($"{function} takes pairs of key and value");
                map[key] = value;
            }
        }
        foreach (var (id, value) in arguments.Named)
            map[id] = value;
        return map;
    }
}
