using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Builtins;

/// <summary>What may follow the word is.</summary>
internal static class JinjaTests
{
    private static readonly Dictionary<string, Builtin> Table = ValueMembers.Table(
        Simple("defined", x => x is not Undefined),
        Simple("undefined", x => x is Undefined),
        Simple("none", x => x is None),
        Simple("true", x => x is true),
        Simple("false", x => x is false),
        Simple("boolean", x => x is bool),
        Simple("integer", x => x is long),
        Simple("float", x => x is double),
        Simple("number", Operators.IsNumber),
        Simple("string", x => x is string or MarkedText),
        Simple("mapping", x => x is JinjaMap),
        Simple("iterable", x => x is JinjaList or JinjaMap or string or MarkedText or Undefined or LoopState),
        Simple("sequence", x => x is JinjaList { Kind: ListKind.List or ListKind.Tuple } or JinjaMap or string or MarkedText or Undefined),
        Simple("callable", x => x is Function or Undefined),
        Simple("escaped", _ => false),
        Simple("filter", x => MarkedText.Plain(x) is string name && Filters.Find(name) is not null),
        Simple("test", x => MarkedText.Plain(x) is string name && Find(name) is not null),
        Simple("odd", x => Remainder(x, 2L) == 1),
        Simple("even", x => Remainder(x, 2L) == 0),
        new("divisibleby", "num", (_, x, a) => Remainder(x, a[0]!) == 0),
        new("upper", "", (budget, x, _) => StringMethods.IsCased(PythonText.Str(budget, x), char.IsUpper, char.IsLower)),
        new("lower", "", (budget, x, _) => StringMethods.IsCased(PythonText.Str(budget, x), char.IsLower, char.IsUpper)),
        new("in", "seq", (budget, x, a) => Operators.Contains(budget, a[0]!, x)),
        new("sameas", "other", (_, x, a) =>
            ReferenceEquals(x, a[0]) || (Operators.TypeName(x) == Operators.TypeName(a[0]!) && Operators.ScalarsEqual(x, a[0]!))),
        Comparison("eq", "=="),
        Comparison("equalto", "=="),
        Comparison("==", "=="),
        Comparison("ne", "!="),
        Comparison("!=", "!="),
        Comparison("lt", "<"),
        Comparison("lessthan", "<"),
        Comparison("<", "<"),
        Comparison("le", "<="),
        Comparison("<=", "<="),
        Comparison("gt", ">"),
        Comparison("greaterthan", ">"),
        Comparison(">", ">"),
        Comparison("ge", ">="),
        Comparison(">=", ">="));

    public static Builtin? Find(string name) => Table.GetValueOrDefault(name);

    private static Builtin Simple(string name, Func<object, bool> test) => new(name, "", (_, x, _) => test(x));

    private static Builtin Comparison(string name, string symbol) => new(name, "other", (budget, x, a) => symbol switch
    {
        "==" => Operators.AreEqual(budget, x, a[0]!),
        "!=" => !Operators.AreEqual(budget, x, a[0]!),
        _ => Operators.Ordered(budget, symbol, x, a[0]!),
    });

    private static double Remainder(object value, object divisor) => Operators.IsNumber(value) && Operators.IsNumber(divisor)
        ? Operators.AsDouble(JinjaArithmetic.Apply(new RenderBudget(), "%", value, divisor))
        : throw new JinjaFailure($"{Operators.TypeName(value)} is no number to divide");
}
