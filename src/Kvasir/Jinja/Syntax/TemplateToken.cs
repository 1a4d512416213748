namespace Kvasir.Jinja.Syntax;

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
