using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

/// <summary>The tokens of a template with the place that the parsers have reached.</summary>
internal sealed class TokenStream(List<TemplateToken> tokens)
{
    // Real templates nest a dozen levels; the limit keeps parsing far from the end of any thread's stack.
    private const int MaxDepth = 100;

    private int _at;
    private int _depth;

    public TemplateToken Current => tokens[_at];

    public TemplateToken After => tokens[Math.Min(_at + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    /// <summary>Where the token before this one stands; the text after a tag may begin on the next line already.</summary>
    public int LineBefore => tokens[Math.Max(_at - 1, 0)].Line;

    public TemplateToken Next()
    {
        var token = tokens[_at];
        if (token.Kind != TokenKind.End)
            _at++;
        return token;
    }

    public bool IsName(string name) => Current.Is(TokenKind.Name, name);

    public bool IsOperator(string text) => Current.Is(TokenKind.Operator, text);

    public bool SkipName(string name) => Skip(TokenKind.Name, name);

    public bool SkipOperator(string text) => Skip(TokenKind.Operator, text);

    public void ExpectOperator(string text)
    {
        if (!SkipOperator(text))
            throw Unexpected($"'{text}'");
    }

    public string ExpectName()
    {
        if (Current.Kind != TokenKind.Name)
            throw Unexpected("a name");
        return Next().Value;
    }

    public void Expect(TokenKind kind)
    {
        if (Current.Kind != kind)
            throw Unexpected(new TemplateToken(kind, "", 0).ToString());
        Next();
    }

    public JinjaFailure Unexpected(string expected) => new($"{Current} where {expected} was expected", Line);

    /// <summary>Before each nested expression or statement; pairs with <see cref="Leave"/>.</summary>
    public void Enter()
    {
        if (++_depth > MaxDepth)
            throw new JinjaFailure($"nested more than {MaxDepth} levels deep", Line);
    }

    public void Leave() => _depth--;

    private bool Skip(TokenKind kind, string value)
    {
        bool found = Current.Is(kind, value);
        if (found)
            Next();
        return found;
    }
}

internal enum TokenKind
{
    Text,
    OutputBegin,
    OutputEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>One lexical unit; strings are already unescaped.</summary>
internal readonly record struct TemplateToken(TokenKind Kind, string Value, int Line)
{
    public bool Is(TokenKind kind, string value) => Kind == kind && Value == value;

    public override string ToString() => Kind switch
    {
        TokenKind.End => "end of template",
        TokenKind.BlockEnd or TokenKind.OutputEnd => "end of tag",
        TokenKind.BlockBegin or TokenKind.OutputBegin => "start of tag",
        TokenKind.Text => "text",
        _ => $"'{Value}'",
    };
}
