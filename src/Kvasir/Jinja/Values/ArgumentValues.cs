namespace Kvasir.Jinja.Values;

/// <summary>Evaluated arguments of one call.</summary>
internal sealed record ArgumentValues(List<object> Positional, List<(string Id, object Value)> Named)
{
    /// <summary>Sorts the arguments to their parameters; null where none was given.</summary>
    public object?[] Bind(string function, ReadOnlySpan<string> parameters, int requiredCount)
    {
        if (Positional.Count > parameters.Length)
            throw new JinjaFailure($"{function} takes {parameters.Length} arguments, not {Positional.Count}");
        var bound = new object?[parameters.Length];
        for (int i = 0; i < Positional.Count; i++)
            bound[i] = Positional[i];
        foreach (var (id, value) in Named)
        {
            int index = parameters.IndexOf(id);
            if (index < 0)
                throw new JinjaFailure($"{function} has no parameter '{id}'");
            if (bound[index] is not null)
                throw new JinjaFailure($"{function} has parameter '{id}' twice");
            bound[index] = value;
        }
        for (int i = 0; i < requiredCount; i++)
        {
            if (bound[i] is null)
                throw new JinjaFailure($"{function} needs argument '{parameters[i]}'");
        }
        return bound;
    }

    /// <summary>The arguments after the first <paramref name="count"/> positional ones.</summary>
    public ArgumentValues Skip(int count) => new(Positional[Math.Min(count, Positional.Count)..], Named);
}
