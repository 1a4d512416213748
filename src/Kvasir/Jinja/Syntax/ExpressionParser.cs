using System.Globalization;
using Kvasir.Jinja.Builtins;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

/// <summary>Expressions, by recursive descent with Jinja's precedences.</summary>
internal sealed class ExpressionParser(TokenStream tokens)
{
    // Binary operators that associate to the left, loosest first. Jinja's power does so too, unlike Python's.
    private static readonly string[][] Levels = [["+", "-"], ["~"], ["*", "/", "//", "%"], ["**"]];

    public Expression Parse(bool conditional = true)
    {
        tokens.Enter();
        var value = ParseOr();
        while (conditional && tokens.SkipName("if"))
        {
            int line = tokens.Line;
            var condition = ParseOr();
            value = new Conditional(line, condition, value, tokens.SkipName("else") ? Parse() : null);
        }
        tokens.Leave();
        return value;
    }

    /// <summary>One expression, or several with commas between as a tuple.</summary>
    public Expression ParseTuple(bool conditional = true)
    {
        int line = tokens.Line;
        var first = Parse(conditional);
        return tokens.IsOperator(",") ? ParseRestOfTuple(first, line, () => Parse(conditional)) : first;
    }

    /// <summary>What a loop or set may assign to: a name, several, or a member of a namespace.</summary>
    public Expression ParseTarget(bool members)
    {
        int line = tokens.Line;
        var first = ParseOneTarget(members);
        return tokens.IsOperator(",") ? ParseRestOfTuple(first, line, () => ParseOneTarget(members)) : first;
    }

    /// <summary>The filter after a bar (or after the word filter), still without its input.</summary>
    public Application ParseFilter()
    {
        int line = tokens.Line;
        string name = tokens.ExpectName();
        var filter = Filters.Find(name) ?? throw new JinjaFailure($"filter '{name}' is not supported", line);
        return new Application(line, filter, null, tokens.IsOperator("(") ? ParseArguments() : NoArguments);
    }

    private static CallArguments NoArguments { get; } = new([], []);

    private ListLiteral ParseRestOfTuple(Expression first, int line, Func<Expression> parse)
    {
        List<Expression> items = [first];
        while (tokens.SkipOperator(",") && !AtTupleEnd())
            items.Add(parse());
        return new ListLiteral(line, [.. items], IsTuple: true);
    }

    private bool AtTupleEnd() =>
        tokens.Current.Kind is TokenKind.BlockEnd or TokenKind.OutputEnd || tokens.IsOperator(")") || tokens.IsOperator("=") || tokens.IsName("in");

    private Expression ParseOneTarget(bool members)
    {
        int line = tokens.Line;
        if (tokens.SkipOperator("("))
        {
            tokens.Enter();
            var nested = ParseTarget(members);
            tokens.ExpectOperator(")");
            tokens.Leave();
            return nested;
        }
        string name = tokens.ExpectName();
        if (name is "true" or "True" or "false" or "False" or "none" or "None")
            throw new JinjaFailure($"cannot assign to '{name}'", line);
        var target = new Name(line, name);
        return members && tokens.SkipOperator(".") ? new Member(line, target, tokens.ExpectName()) : target;
    }

    private Expression ParseOr()
    {
        var left = ParseAnd();
        while (tokens.IsName("or"))
            left = new Binary(tokens.Next().Line, "or", left, ParseAnd());
        return left;
    }

    private Expression ParseAnd()
    {
        var left = ParseNot();
        while (tokens.IsName("and"))
            left = new Binary(tokens.Next().Line, "and", left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        if (!tokens.IsName("not"))
            return ParseComparison();
        tokens.Enter();
        var not = new Unary(tokens.Next().Line, "not", ParseNot());
        tokens.Leave();
        return not;
    }

    private Expression ParseComparison()
    {
        int line = tokens.Line;
        var first = ParseBinary(0);
        List<(string, Expression)> rest = [];
        while (NextComparison() is { } comparison)
            rest.Add((comparison, ParseBinary(0)));
        return rest.Count == 0 ? first : new Comparison(line, first, [.. rest]);
    }

    private string? NextComparison()
    {
        if (tokens.Current is { Kind: TokenKind.Operator, Value: "==" or "!=" or "<" or "<=" or ">" or ">=" } || tokens.IsName("in"))
            return tokens.Next().Value;
        if (!tokens.IsName("not") || !tokens.After.Is(TokenKind.Name, "in"))
            return null;
        tokens.Next();
        tokens.Next();
        return "not in";
    }

    private Expression ParseBinary(int level)
    {
        if (level == Levels.Length)
            return ParseUnary(filters: true);
        var left = ParseBinary(level + 1);
        while (tokens.Current.Kind == TokenKind.Operator && Levels[level].Contains(tokens.Current.Value))
        {
            var token = tokens.Next();
            left = new Binary(token.Line, token.Value, left, ParseBinary(level + 1));
        }
        return left;
    }

    private Expression ParseUnary(bool filters)
    {
        tokens.Enter();
        Expression value;
        if (tokens.IsOperator("-") || tokens.IsOperator("+"))
        {
            var sign = tokens.Next();
            value = new Unary(sign.Line, sign.Value, ParseUnary(filters: false));
        }
        else
        {
            value = ParsePrimary();
        }
        value = ParsePostfix(value);
        while (filters)
        {
            if (tokens.SkipOperator("|"))
                value = ParseFilter() with { Target = value };
            else if (tokens.SkipName("is"))
                value = ParseTest(value);
            else if (tokens.IsOperator("("))
                value = new Call(tokens.Line, value, ParseArguments());
            else
                break;
        }
        tokens.Leave();
        return value;
    }

    private Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.SkipOperator("."))
                value = tokens.Current.Kind == TokenKind.Integer ? new Item(line, value, ParseNumber()) : new Member(line, value, tokens.ExpectName());
            else if (tokens.SkipOperator("["))
                value = ParseSubscript(value, line);
            else if (tokens.IsOperator("("))
                value = new Call(line, value, ParseArguments());
            else
                return value;
        }
    }

    private Expression ParseSubscript(Expression target, int line)
    {
        Expression? start = tokens.IsOperator(":") ? null : Parse();
        if (start is not null && tokens.SkipOperator("]"))
            return new Item(line, target, start);
        tokens.ExpectOperator(":");
        Expression? stop = tokens.IsOperator(":") || tokens.IsOperator("]") ? null : Parse();
        Expression? step = tokens.SkipOperator(":") && !tokens.IsOperator("]") ? Parse() : null;
        tokens.ExpectOperator("]");
        return new Slice(line, target, start, stop, step);
    }

    private CallArguments ParseArguments()
    {
        tokens.ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        while (!tokens.SkipOperator(")"))
        {
            if (tokens.Current.Kind == TokenKind.Name && tokens.After.Is(TokenKind.Operator, "="))
            {
                string name = tokens.Next().Value;
                tokens.Next();
                named.Add((name, Parse()));
            }
            else if (named.Count > 0 || tokens.IsOperator("*") || tokens.IsOperator("**"))
            {
                throw tokens.Unexpected("a named argument");
            }
            else
            {
                positional.Add(Parse());
            }
            if (!tokens.IsOperator(")"))
                tokens.ExpectOperator(",");
        }
        return new CallArguments([.. positional], [.. named]);
    }

    private Expression ParseTest(Expression target)
    {
        int line = tokens.Line;
        bool negated = tokens.SkipName("not");
        string name = tokens.ExpectName();
        var test = JinjaTests.Find(name) ?? throw new JinjaFailure($"test '{name}' is not supported", line);
        var arguments = NoArguments;
        if (tokens.IsOperator("("))
            arguments = ParseArguments();
        else if (StartsOperand())
            arguments = new CallArguments([ParsePostfix(ParsePrimary())], []);
        var application = new Application(line, test, target, arguments);
        return negated ? new Unary(line, "not", application) : application;
    }

    // A test may take one argument without brackets: x is divisibleby 3.
    private bool StartsOperand()
    {
        if (tokens.IsName("is"))
            throw new JinjaFailure("tests cannot be chained with 'is'", tokens.Line);
        return tokens.Current.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float
            || (tokens.Current.Kind == TokenKind.Name && tokens.Current.Value is not ("else" or "or" or "and"))
            || tokens.IsOperator("[") || tokens.IsOperator("{");
    }

    private Expression ParsePrimary()
    {
        int line = tokens.Line;
        switch (tokens.Current.Kind)
        {
            case TokenKind.Name:
                return ParseName();
            case TokenKind.String:
                string text = "";
                while (tokens.Current.Kind == TokenKind.String)
                    text += tokens.Next().Value;
                return new Constant(line, MarkedText.OfTemplate(text));
            case TokenKind.Integer or TokenKind.Float:
                return ParseNumber();
        }
        if (tokens.SkipOperator("("))
            return ParseBracketed(line);
        if (tokens.SkipOperator("["))
            return new ListLiteral(line, [.. ParseItems("]", () => Parse())], IsTuple: false);
        if (tokens.SkipOperator("{"))
            return new MapLiteral(line, [.. ParseItems("}", ParseEntry)]);
        throw tokens.Unexpected("an expression");
    }

    private Expression ParseName()
    {
        var token = tokens.Next();
        return token.Value switch
        {
            "true" or "True" => new Constant(token.Line, true),
            "false" or "False" => new Constant(token.Line, false),
            "none" or "None" => new Constant(token.Line, None.Value),
            _ => new Name(token.Line, token.Value),
        };
    }

    private Constant ParseNumber()
    {
        var token = tokens.Next();
        if (token.Kind == TokenKind.Float)
            return new Constant(token.Line, double.Parse(token.Value, CultureInfo.InvariantCulture));
        return long.TryParse(token.Value, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            ? new Constant(token.Line, value)
            : throw new JinjaFailure($"integer {token.Value} does not fit 64 bits", token.Line);
    }

    private Expression ParseBracketed(int line)
    {
        if (tokens.SkipOperator(")"))
            return new ListLiteral(line, [], IsTuple: true);
        var value = ParseTuple();
        tokens.ExpectOperator(")");
        return value;
    }

    private List<T> ParseItems<T>(string close, Func<T> parse)
    {
        List<T> items = [];
        while (!tokens.SkipOperator(close))
        {
            if (items.Count > 0)
            {
                tokens.ExpectOperator(",");
                if (tokens.SkipOperator(close))
                    break;
            }
            items.Add(parse());
        }
        return items;
    }

    private (Expression Key, Expression Value) ParseEntry()
    {
        var key = Parse();
        tokens.ExpectOperator(":");
        return (key, Parse());
    }
}
