using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

/// <summary>Statements: reads a whole template into a tree, refusing by name what is not supported.</summary>
internal sealed class Parser
{
    private readonly TokenStream _tokens;
    private readonly ExpressionParser _expressions;
    private int _loopDepth;

    private Parser(TokenStream tokens)
    {
        _tokens = tokens;
        _expressions = new ExpressionParser(tokens);
    }

    public static Statement[] Parse(string source)
    {
        var parser = new Parser(new TokenStream(Lexer.Read(source)));
        return parser.ParseBody();
    }

    // Up to the tag with one of these names, whose name is consumed; up to the end of the template where there are none.
    private Statement[] ParseBody(params string[] ends)
    {
        int line = _tokens.LineBefore;
        _tokens.Enter();
        List<Statement> body = [];
        while (_tokens.Current.Kind != TokenKind.End)
        {
            var token = _tokens.Next();
            if (token.Kind == TokenKind.Text)
            {
                body.Add(new TextOutput(token.Line, MarkedText.OfTemplate(token.Value)));
            }
            else if (token.Kind == TokenKind.OutputBegin)
            {
                body.Add(new Output(token.Line, _expressions.ParseTuple()));
                _tokens.Expect(TokenKind.OutputEnd);
            }
            else if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Value))
            {
                _tokens.Leave();
                return [.. body];
            }
            else
            {
                body.Add(ParseStatement());
            }
        }
        _tokens.Leave();
        return ends.Length == 0 ? [.. body] : throw new JinjaFailure($"no '{ends[^1]}' before the end of the template", line);
    }

    // The rest of an opening tag, the statements, and the closing tag.
    private Statement[] ParseBlock(string end)
    {
        EndOpeningTag();
        var body = ParseBody(end);
        _tokens.Next();
        _tokens.Expect(TokenKind.BlockEnd);
        return body;
    }

    // A colon before the end is allowed, for those who come from Python.
    private void EndOpeningTag()
    {
        _tokens.SkipOperator(":");
        _tokens.Expect(TokenKind.BlockEnd);
    }

    // Loops outside of a body that is rendered on its own cannot be left from within it.
    private Statement[] ParseDetachedBlock(string end)
    {
        int outer = _loopDepth;
        _loopDepth = 0;
        var body = ParseBlock(end);
        _loopDepth = outer;
        return body;
    }

    private Statement ParseStatement()
    {
        int line = _tokens.Line;
        string tag = _tokens.ExpectName();
        return tag switch
        {
            "if" => ParseIf(line),
            "for" => ParseFor(line),
            "set" => ParseSet(line),
            "macro" => ParseMacro(line),
            "filter" => ParseFilterBlock(line),
            "with" => ParseWith(line),
            "generation" => new With(line, [], ParseDetachedBlock("endgeneration")),
            "break" or "continue" => ParseJump(line, tag),
            _ => throw new JinjaFailure($"tag '{tag}' is not supported here", line),
        };
    }

    private If ParseIf(int line)
    {
        List<(Expression, Statement[])> branches = [];
        Statement[] otherwise = [];
        string tag;
        do
        {
            var condition = _expressions.ParseTuple(conditional: false);
            EndOpeningTag();
            branches.Add((condition, ParseBody("elif", "else", "endif")));
            tag = _tokens.Next().Value;
        }
        while (tag == "elif");
        if (tag == "else")
            otherwise = ParseBlock("endif");
        else
            _tokens.Expect(TokenKind.BlockEnd);
        return new If(line, [.. branches], otherwise);
    }

    private For ParseFor(int line)
    {
        var target = _expressions.ParseTarget(members: false);
        if (!_tokens.SkipName("in"))
            throw _tokens.Unexpected("'in'");
        var source = _expressions.ParseTuple(conditional: false);
        var filter = _tokens.SkipName("if") ? _expressions.Parse() : null;
        if (_tokens.IsName("recursive"))
            throw new JinjaFailure("'recursive' loops are not supported", _tokens.Line);
        EndOpeningTag();
        _loopDepth++;
        var body = ParseBody("else", "endfor");
        _loopDepth--;
        Statement[] otherwise = [];
        if (_tokens.Next().Value == "else")
            otherwise = ParseBlock("endfor");
        else
            _tokens.Expect(TokenKind.BlockEnd);
        return new For(line, target, source, filter, body, otherwise);
    }

    private Statement ParseSet(int line)
    {
        var target = _expressions.ParseTarget(members: true);
        if (_tokens.SkipOperator("="))
        {
            var set = new Set(line, target, _expressions.ParseTuple());
            _tokens.Expect(TokenKind.BlockEnd);
            return set;
        }
        List<Application> filters = [];
        while (_tokens.SkipOperator("|"))
            filters.Add(_expressions.ParseFilter());
        return new Capture(line, target, [.. filters], ParseDetachedBlock("endset"));
    }

    private MacroDefinition ParseMacro(int line)
    {
        string name = _tokens.ExpectName();
        _tokens.ExpectOperator("(");
        List<(string, Expression?)> parameters = [];
        while (!_tokens.SkipOperator(")"))
        {
            string parameter = _tokens.ExpectName();
            var value = _tokens.SkipOperator("=") ? _expressions.Parse() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Item2 is not null)
                throw new JinjaFailure($"parameter '{parameter}' without a default after one that has one", line);
            parameters.Add((parameter, value));
            if (!_tokens.IsOperator(")"))
                _tokens.ExpectOperator(",");
        }
        return new MacroDefinition(line, name, [.. parameters], ParseDetachedBlock("endmacro"));
    }

    private Capture ParseFilterBlock(int line)
    {
        List<Application> filters = [];
        do
            filters.Add(_expressions.ParseFilter());
        while (_tokens.SkipOperator("|"));
        return new Capture(line, null, [.. filters], ParseDetachedBlock("endfilter"));
    }

    private With ParseWith(int line)
    {
        List<(Expression, Expression)> variables = [];
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0)
                _tokens.ExpectOperator(",");
            var target = new Name(_tokens.Line, _tokens.ExpectName());
            _tokens.ExpectOperator("=");
            variables.Add((target, _expressions.Parse()));
        }
        return new With(line, [.. variables], ParseDetachedBlock("endwith"));
    }

    private Jump ParseJump(int line, string tag)
    {
        if (_loopDepth == 0)
            throw new JinjaFailure($"'{tag}' outside of a loop", line);
        _tokens.Expect(TokenKind.BlockEnd);
        return new Jump(line, tag == "break");
    }
}
