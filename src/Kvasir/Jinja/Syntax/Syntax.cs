using Kvasir.Jinja.Builtins;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

internal abstract record Expression(int Line);

internal sealed record Constant(int Line, object Value) : Expression(Line);

internal sealed record Name(int Line, string Id) : Expression(Line);

internal sealed record ListLiteral(int Line, Expression[] Items, bool IsTuple) : Expression(Line);

internal sealed record MapLiteral(int Line, (Expression Key, Expression Value)[] Entries) : Expression(Line);

internal sealed record Unary(int Line, string Operator, Expression Operand) : Expression(Line);

internal sealed record Binary(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);

/// <summary>A chain: a &lt; b &lt; c compares each neighbouring pair.</summary>
internal sealed record Comparison(int Line, Expression First, (string Operator, Expression Operand)[] Rest) : Expression(Line);

internal sealed record Conditional(int Line, Expression Condition, Expression Then, Expression? Else) : Expression(Line);

internal sealed record Member(int Line, Expression Target, string Id) : Expression(Line);

internal sealed record Item(int Line, Expression Target, Expression Key) : Expression(Line);

internal sealed record Slice(int Line, Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);

internal sealed record CallArguments(Expression[] Positional, (string Id, Expression Value)[] Named);

internal sealed record Call(int Line, Expression Target, CallArguments Arguments) : Expression(Line);

/// <summary>Filter or test; <see cref="Target"/> is absent in a filter block, whose body is the input.</summary>
internal sealed record Application(int Line, Builtin Builtin, Expression? Target, CallArguments Arguments) : Expression(Line);

internal abstract record Statement(int Line);

internal sealed record TextOutput(int Line, MarkedText Text) : Statement(Line);

internal sealed record Output(int Line, Expression Value) : Statement(Line);

internal sealed record If(int Line, (Expression Condition, Statement[] Body)[] Branches, Statement[] Else) : Statement(Line);

internal sealed record For(int Line, Expression Target, Expression Source, Expression? Filter, Statement[] Body, Statement[] Else) : Statement(Line);

internal sealed record Set(int Line, Expression Target, Expression Value) : Statement(Line);

/// <summary>The rendered body goes to <see cref="Target"/>, or to the output where there is none, through the filters in between.</summary>
internal sealed record Capture(int Line, Expression? Target, Application[] Filters, Statement[] Body) : Statement(Line);

internal sealed record MacroDefinition(int Line, string Id, (string Id, Expression? Default)[] Parameters, Statement[] Body) : Statement(Line);

/// <summary>with: a scope of its own, whose first variables are evaluated outside of it.</summary>
internal sealed record With(int Line, (Expression Target, Expression Value)[] Variables, Statement[] Body) : Statement(Line);

internal sealed record Jump(int Line, bool Breaks) : Statement(Line);
