using Kvasir.Jinja.Builtins;
using Kvasir.Jinja.Syntax;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja;

/// <summary>Expressions to values.</summary>
internal sealed class Evaluator(RenderBudget budget)
{
    public object Evaluate(Expression expression, Scope scope)
    {
        budget.Enter();
        object value;
        try
        {
            value = Dispatch(expression, scope);
        }
        catch (JinjaFailure failure) when (failure.Claim(expression.Line))
        {
            throw;
        }
        budget.Leave();
        return value;
    }

    public bool IsTrue(Expression condition, Scope scope) => Operators.IsTrue(Evaluate(condition, scope));

    /// <summary>A filter or test on a value that is at hand.</summary>
    public object Apply(Application application, object target, Scope scope) =>
        application.Builtin.Apply(budget, target, Arguments(application.Arguments, scope));

    private object Dispatch(Expression expression, Scope scope) => expression switch
    {
        Constant constant => constant.Value,
        Name name => scope.Get(name.Id),
        ListLiteral list => new JinjaList(list.IsTuple ? ListKind.Tuple : ListKind.List, Values(list.Items, scope)),
        MapLiteral map => Map(map, scope),
        Unary unary => EvaluateUnary(unary, scope),
        Binary binary => EvaluateBinary(binary, scope),
        Comparison comparison => Compare(comparison, scope),
        Conditional conditional => Choose(conditional, scope),
        Member member => ValueMembers.Attribute(Evaluate(member.Target, scope), member.Id),
        Item item => ValueMembers.Item(budget, Evaluate(item.Target, scope), Evaluate(item.Key, scope)),
        Slice slice => Cut(slice, scope),
        Call call => Invoke(call, scope),
        Application application => Apply(application, Evaluate(application.Target!, scope), scope),
        _ => throw new JinjaFailure("unknown expression"),
    };

    private List<object> Values(Expression[] expressions, Scope scope)
    {
        budget.Items(expressions.Length);
        var values = new List<object>(expressions.Length);
        foreach (var expression in expressions)
            values.Add(Evaluate(expression, scope));
        return values;
    }

    private JinjaMap Map(MapLiteral literal, Scope scope)
    {
        budget.Items(2L * literal.Entries.Length);
        var map = new JinjaMap();
        foreach (var (key, value) in literal.Entries)
            map[Evaluate(key, scope)] = Evaluate(value, scope);
        return map;
    }

    private object EvaluateUnary(Unary unary, Scope scope)
    {
        object operand = Evaluate(unary.Operand, scope);
        return unary.Operator switch
        {
            "not" => (object)!Operators.IsTrue(operand),
            "-" => JinjaArithmetic.Negate(operand),
            _ => JinjaArithmetic.Plus(operand),
        };
    }

    private object EvaluateBinary(Binary binary, Scope scope)
    {
        object left = Evaluate(binary.Left, scope);
        return binary.Operator switch
        {
            "and" => Operators.IsTrue(left) ? Evaluate(binary.Right, scope) : left,
            "or" => Operators.IsTrue(left) ? left : Evaluate(binary.Right, scope),
            _ => JinjaArithmetic.Apply(budget, binary.Operator, left, Evaluate(binary.Right, scope)),
        };
    }

    private bool Compare(Comparison comparison, Scope scope)
    {
        object left = Evaluate(comparison.First, scope);
        foreach (var (symbol, operand) in comparison.Rest)
        {
            object right = Evaluate(operand, scope);
            bool holds = symbol switch
            {
                "==" => Operators.AreEqual(budget, left, right),
                "!=" => !Operators.AreEqual(budget, left, right),
                "in" => Operators.Contains(budget, right, left),
                "not in" => !Operators.Contains(budget, right, left),
                _ => Operators.Ordered(budget, symbol, left, right),
            };
            if (!holds)
                return false;
            left = right;
        }
        return true;
    }

    private object Choose(Conditional conditional, Scope scope)
    {
        if (IsTrue(conditional.Condition, scope))
            return Evaluate(conditional.Then, scope);
        return conditional.Else is null ? new Undefined("the condition is false and there is no else") : Evaluate(conditional.Else, scope);
    }

    private object Cut(Slice slice, Scope scope)
    {
        object target = Evaluate(slice.Target, scope);
        return ValueSequences.Cut(budget, target, Bound(slice.Start, scope), Bound(slice.Stop, scope), Bound(slice.Step, scope) ?? 1);
    }

    private long? Bound(Expression? expression, Scope scope)
    {
        object value = expression is null ? None.Value : Evaluate(expression, scope);
        return value is None ? null : ArgumentTypes.Integer(value, "a slice");
    }

    private object Invoke(Call call, Scope scope) => Evaluate(call.Target, scope) switch
    {
        Function function => function.Invoke(budget, Arguments(call.Arguments, scope)),
        Undefined undefined => throw new JinjaFailure($"nothing to call: {undefined.What}"),
        var other => throw new JinjaFailure($"{Operators.TypeName(other)} cannot be called"),
    };

    private ArgumentValues Arguments(CallArguments arguments, Scope scope)
    {
        var named = new List<(string, object)>(arguments.Named.Length);
        var positional = Values(arguments.Positional, scope);
        foreach (var (id, value) in arguments.Named)
            named.Add((id, Evaluate(value, scope)));
        return new ArgumentValues(positional, named);
    }
}
