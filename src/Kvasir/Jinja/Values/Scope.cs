namespace Kvasir.Jinja.Values;

/// <summary>Variables by name, over those of the scope outside.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object> _variables = new(StringComparer.Ordinal);

    public object Get(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._variables.TryGetValue(name, out object? value))
                return value;
        }
        return new Undefined($"'{name}' is not defined");
    }

    public void Set(string name, object value) => _variables[name] = value;

    private Scope? Outer { get; } = outer;
}
