using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>A filter, test, method or function that the language brings along, with the value that it is applied to.</summary>
internal sealed class Builtin
{
    private readonly Func<RenderBudget, object, ArgumentValues, object> _body;

    public Builtin(string name, Func<RenderBudget, object, ArgumentValues, object> body)
    {
        Name = name;
        _body = body;
    }

    /// <param name="name">As templates write it.</param>
    /// <param name="parameters">Names with blanks between; the optional ones end in a question mark and arrive as null when they are not given.</param>
    /// <param name="body">Takes the value that it is applied to and one argument per parameter.</param>
    public Builtin(string name, string parameters, Func<RenderBudget, object, object?[], object> body)
    {
        Name = name;
        string[] names = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        int requiredCount = names.Count(parameter => !parameter.EndsWith('?'));
        for (int i = 0; i < names.Length; i++)
            names[i] = names[i].TrimEnd('?');
        _body = (budget, self, arguments) => body(budget, self, arguments.Bind(name, names, requiredCount));
    }

    public string Name { get; }

    public object Apply(RenderBudget budget, object self, ArgumentValues arguments) => _body(budget, self, arguments);

    public Function BoundTo(object self) => new(Name, (budget, arguments) => _body(budget, self, arguments));
}
