using Kvasir.Jinja.Syntax;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja;

/// <summary>Statements to text.</summary>
internal sealed class Renderer
{
    private readonly RenderBudget _budget;
    private readonly Evaluator _evaluator;
    private MarkedTextBuilder _output = new();

    private Renderer(RenderBudget budget)
    {
        _budget = budget;
        _evaluator = new Evaluator(budget);
    }

    private enum Flow
    {
        Next,
        Continue,
        Break,
    }

    public static MarkedText Render(Statement[] template, Scope variables, RenderBudget budget)
    {
        var renderer = new Renderer(budget);
        renderer.Run(template, variables);
        return renderer._output.ToText();
    }

    private Flow Run(Statement[] body, Scope scope)
    {
        foreach (var statement in body)
        {
            _budget.Enter();
            Flow flow;
            try
            {
                flow = Run(statement, scope);
            }
            catch (JinjaFailure failure) when (failure.Claim(statement.Line))
            {
                throw;
            }
            _budget.Leave();
            if (flow != Flow.Next)
                return flow;
        }
        return Flow.Next;
    }

    private Flow Run(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case TextOutput text:
                Write(text.Text);
                return Flow.Next;
            case Output output:
                Write(PythonText.Str(_budget, _evaluator.Evaluate(output.Value, scope)));
                return Flow.Next;
            case If choice:
                return RunIf(choice, scope);
            case For loop:
                RunFor(loop, scope);
                return Flow.Next;
            case Set set:
                Assign(set.Target, _evaluator.Evaluate(set.Value, scope), scope);
                return Flow.Next;
            case Capture capture:
                RunCapture(capture, scope);
                return Flow.Next;
            case MacroDefinition macro:
                scope.Set(macro.Id, new Function(macro.Id, (_, arguments) => RunMacro(macro, arguments, scope)));
                return Flow.Next;
            case With with:
                RunWith(with, scope);
                return Flow.Next;
            default:
                return ((Jump)statement).Breaks ? Flow.Break : Flow.Continue;
        }
    }

    private void Write(MarkedText text)
    {
        _budget.Characters(text.Length);
        _output.Append(text);
    }

    private Flow RunIf(If choice, Scope scope)
    {
        foreach (var (condition, body) in choice.Branches)
        {
            if (_evaluator.IsTrue(condition, scope))
                return Run(body, scope);
        }
        return Run(choice.Else, scope);
    }

    private void RunFor(For loop, Scope scope)
    {
        var items = ValueSequences.Items(_budget, _evaluator.Evaluate(loop.Source, scope));
        var state = new LoopState(items, loop.Filter is null ? null : item => Accepts(loop, item, scope));
        // As in Jinja, else means that no round was finished: one that was left by break or continue does not count.
        bool finished = false;
        while (state.MoveNext(out object item))
        {
            _budget.Step();
            var inner = new Scope(scope);
            inner.Set("loop", state);
            Assign(loop.Target, item, inner);
            var flow = Run(loop.Body, inner);
            finished |= flow == Flow.Next;
            if (flow == Flow.Break)
                break;
        }
        if (!finished)
            Run(loop.Else, new Scope(scope));
    }

    private bool Accepts(For loop, object item, Scope scope)
    {
        _budget.Step();
        var inner = new Scope(scope);
        Assign(loop.Target, item, inner);
        return _evaluator.IsTrue(loop.Filter!, inner);
    }

    private void Assign(Expression target, object value, Scope scope)
    {
        switch (target)
        {
            case Name name:
                scope.Set(name.Id, value);
                break;
            case Member { Target: Name owner } member:
                if (scope.Get(owner.Id) is not JinjaNamespace names)
                    throw new JinjaFailure($"'{owner.Id}' is no namespace, so that '{member.Id}' cannot be set");
                names.Members[member.Id] = value;
                break;
            case ListLiteral list:
                var items = ValueSequences.Items(_budget, value);
                if (items.Count != list.Items.Length)
                    throw new JinjaFailure($"{items.Count} values for {list.Items.Length} names");
                for (int i = 0; i < items.Count; i++)
                    Assign(list.Items[i], items[i], scope);
                break;
        }
    }

    private void RunCapture(Capture capture, Scope scope)
    {
        object value = Captured(capture.Body, new Scope(scope));
        foreach (var filter in capture.Filters)
            value = _evaluator.Apply(filter, value, scope);
        if (capture.Target is null)
            Write(PythonText.Str(_budget, value));
        else
            Assign(capture.Target, value, scope);
    }

    private MarkedText Captured(Statement[] body, Scope scope)
    {
        var outer = _output;
        _output = new MarkedTextBuilder();
        Run(body, scope);
        var text = _output.ToText();
        _output = outer;
        return text;
    }

    private MarkedText RunMacro(MacroDefinition macro, ArgumentValues arguments, Scope scope)
    {
        var names = new string[macro.Parameters.Length];
        for (int i = 0; i < names.Length; i++)
            names[i] = macro.Parameters[i].Id;
        object?[] values = arguments.Bind($"macro '{macro.Id}'", names, 0);
        var inner = new Scope(scope);
        for (int i = 0; i < names.Length; i++)
        {
            object value = values[i]
                ?? (macro.Parameters[i].Default is { } expression
                    ? _evaluator.Evaluate(expression, inner)
                    : new Undefined($"parameter '{names[i]}' was not given"));
            inner.Set(names[i], value);
        }
        return Captured(macro.Body, inner);
    }

    private void RunWith(With with, Scope scope)
    {
        var inner = new Scope(scope);
        foreach (var (target, value) in with.Variables)
            Assign(target, _evaluator.Evaluate(value, scope), inner);
        Run(with.Body, inner);
    }
}
