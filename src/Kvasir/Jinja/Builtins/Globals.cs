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
            new("strftime_now", "format", (budget, _, a) => Calendar.Format(clock.GetLocalNow(), ArgumentTypes.Text(a[0], "strftime_now"))),
            new("range", "start stop? step?", Range),
            new("namespace", Namespace),
            new("dict", Map),
        ];
        foreach (var function in functions)
            scope.Set(function.Name, function.BoundTo(None.Value));
    }

    private static JinjaList Range(RenderBudget budget, object self, object?[] arguments)
    {
        long first = ArgumentTypes.Integer(arguments[0], "range");
        long start = arguments[1] is null ? 0 : first;
        long stop = arguments[1] is null ? first : ArgumentTypes.Integer(arguments[1], "range");
        long step = ArgumentTypes.Integer(arguments[2], "range", 1);
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

    private static JinjaNamespace Namespace(RenderBudget budget, object self, ArgumentValues arguments)
    {
        var names = new JinjaNamespace();
        foreach (var (key, value) in MapOf(budget, "namespace", arguments).Entries)
            names.Members[ArgumentTypes.Text(key, "namespace")] = value;
        return names;
    }

    private static JinjaMap Map(RenderBudget budget, object self, ArgumentValues arguments) => MapOf(budget, "dict", arguments);

    // A map or a list of pairs first, if any; then the named arguments.
    private static JinjaMap MapOf(RenderBudget budget, string function, ArgumentValues arguments)
    {
        if (arguments.Positional.Count > 1)
            throw new JinjaFailure($"{function} takes one map, not {arguments.Positional.Count}");
        var map = new JinjaMap();
        if (arguments.Positional is [var source])
        {
            foreach (object pair in source is JinjaMap entries ? ValueSequences.Pairs(budget, entries) : ValueSequences.Items(budget, source))
            {
                if (ValueSequences.Items(budget, pair) is not [var key, var value])
                    throw new JinjaFailure($"{function} takes pairs of key and value");
                map[key] = value;
            }
        }
        foreach (var (id, value) in arguments.Named)
            map[id] = value;
        return map;
    }
}
