using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

/// <summary>
/// Splits a template into text and the tokens of its tags, and settles all white space: `-` and `+` marks, and the settings that chat templates
/// are written for (the first newline after a block goes, blanks before a block on its own line go, one newline at the end goes).
/// </summary>
internal sealed class Lexer
{
    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _at;
    private int _line = 1;
    private int _countedTo;
    private bool _lineStarts = true;

    private Lexer(string source) => _source = source;

    public static List<TemplateToken> Read(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var lexer = new Lexer(source.EndsWith('\n') ? source[..^1] : source);
        while (lexer._at < lexer._source.Length)
            lexer.ReadTextAndTag();
        lexer.Add(TokenKind.End, "");
        return lexer._tokens;
    }

    private void ReadTextAndTag()
    {
        int start = _at;
        int open = FindTag(start);
        if (open < 0)
        {
            Add(TokenKind.Text, _source[start..]);
            _at = _source.Length;
            return;
        }
        char kind = _source[open + 1];
        char sign = Sign(open + 2);
        AddText(_source[start..open], sign, kind != '{');
        _at = open + (sign == ' ' ? 2 : 3);
        if (kind == '#')
            SkipComment(open);
        else if (kind == '%' && AfterWord(_at, "raw") is var word and >= 0 && RawBegins(word))
            ReadRaw(open);
        else
            ReadTag(open, kind);
    }

    private int FindTag(int from)
    {
        for (int at = from; (at = _source.IndexOf('{', at)) >= 0 && at + 1 < _source.Length; at++)
        {
            if (_source[at + 1] is '{' or '%' or '#')
                return at;
        }
        return -1;
    }

    private char Sign(int at) => at < _source.Length && _source[at] is '-' or '+' ? _source[at] : ' ';

    private void AddText(string text, char sign, bool stripsLine)
    {
        if (sign == '-')
        {
            text = PythonText.TrimEnd(text);
        }
        else if (sign != '+' && stripsLine)
        {
            int lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || _lineStarts) && PythonText.IsBlank(text.AsSpan(lineStart)))
                text = text[..lineStart];
        }
        if (text.Length > 0)
            Add(TokenKind.Text, text);
    }

    private void SkipComment(int open)
    {
        int close = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (close < 0)
            throw Failure("comment without end", open);
        // The mark must lie inside the comment: {#-} is not closed by its own opening.
        char mark = close > _at ? _source[close - 1] : ' ';
        _at = close;
        EndTag(2, mark, mayTrim: true);
    }

    private void ReadRaw(int open)
    {
        char mark = _source[_at] == '-' ? '-' : '+';
        _at += mark == '-' ? 1 : 0;
        EndTag(2, mark, mayTrim: false);
        for (int at = _at; (at = _source.IndexOf("{%", at, StringComparison.Ordinal)) >= 0; at += 2)
        {
            char sign = Sign(at + 2);
            int after = AfterWord(at + (sign == ' ' ? 2 : 3), "endraw");
            if (after < 0)
                continue;
            char endMark = Sign(after);
            int close = endMark == ' ' ? after : after + 1;
            if (!Follows(close, "%}"))
                continue;
            AddText(_source[_at..at], sign, stripsLine: true);
            _at = close;
            EndTag(2, endMark, mayTrim: true);
            return;
        }
        throw Failure("raw block without end", open);
    }

    private bool RawBegins(int after)
    {
        bool begins = Follows(after, "%}") || Follows(after, "-%}");
        _at = begins ? after : _at;
        return begins;
    }

    // The place after blanks, the word and blanks, or -1.
    private int AfterWord(int at, string word)
    {
        at = SkipBlanks(at);
        return Follows(at, word) ? SkipBlanks(at + word.Length) : -1;
    }

    private int SkipBlanks(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
            at++;
        return at;
    }

    private bool Follows(int at, string text) => string.CompareOrdinal(_source, at, text, 0, text.Length) == 0 && at + text.Length <= _source.Length;

    // _at stands before the closing delimiter.
    private void EndTag(int closeLength, char mark, bool mayTrim)
    {
        _at += closeLength;
        if (mark == '-')
            _at = SkipBlanks(_at);
        else if (mark != '+' && mayTrim && _at < _source.Length && _source[_at] == '\n')
            _at++;
        _lineStarts = _source[_at - 1] == '\n';
    }

    private void ReadTag(int open, char kind)
    {
        bool block = kind == '%';
        string close = block ? "%}" : "}}";
        Add(block ? TokenKind.BlockBegin : TokenKind.OutputBegin, "");
        var brackets = new Stack<char>();
        while (_at < _source.Length)
        {
            if (brackets.Count == 0 && TryEndTag(block, close))
                return;
            char c = _source[_at];
            if (PythonText.IsSpace(c))
                _at++;
            else if (char.IsAsciiDigit(c))
                ReadNumber();
            else if (char.IsLetter(c) || c == '_')
                ReadName();
            else if (c is '"' or '\'')
                ReadString(c);
            else
                ReadOperator(brackets);
        }
        throw Failure("tag without end", open);
    }

    private bool TryEndTag(bool block, string close)
    {
        char mark = _source[_at] == '-' || (block && _source[_at] == '+') ? _source[_at] : ' ';
        int at = mark == ' ' ? _at : _at + 1;
        if (!Follows(at, close))
            return false;
        Add(block ? TokenKind.BlockEnd : TokenKind.OutputEnd, "");
        _at = at;
        EndTag(2, mark, mayTrim: block);
        return true;
    }

    private void ReadName()
    {
        int start = _at;
        while (_at < _source.Length && (char.IsLetterOrDigit(_source[_at]) || _source[_at] == '_'))
            _at++;
        Add(TokenKind.Name, _source[start.._at], start);
    }

    private void ReadNumber()
    {
        int start = _at;
        bool real = false;
        SkipDigits();
        // After a dot comes an index (x.0.5 is two of them), never a fraction.
        bool afterDot = start > 0 && _source[start - 1] == '.';
        if (!afterDot && _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]))
        {
            real = true;
            _at++;
            SkipDigits();
        }
        if (!afterDot && _at < _source.Length && _source[_at] is 'e' or 'E')
        {
            int digits = _at + 1 < _source.Length && _source[_at + 1] is '+' or '-' ? _at + 2 : _at + 1;
            if (digits < _source.Length && char.IsAsciiDigit(_source[digits]))
            {
                real = true;
                _at = digits;
                SkipDigits();
            }
        }
        if (!real && _source[start] == '0' && _source.AsSpan(start, _at - start).ContainsAnyInRange('1', '9'))
            throw Failure("integer with a leading zero", start);
        Add(real ? TokenKind.Float : TokenKind.Integer, _source[start.._at].Replace("_", "", StringComparison.Ordinal), start);
    }

    private void SkipDigits()
    {
        while (_at < _source.Length
            && (char.IsAsciiDigit(_source[_at]) || (_source[_at] == '_' && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1]))))
            _at++;
    }

    private void ReadString(char quote)
    {
        int start = _at;
        for (_at++; _at < _source.Length && _source[_at] != quote; _at++)
        {
            if (_source[_at] == '\\')
                _at++;
        }
        if (_at >= _source.Length)
            throw Failure("string without end", start);
        _at++;
        Add(TokenKind.String, StringEscapes.Decode(_source.AsSpan(start + 1, _at - start - 2), LineAt(start)), start);
    }

    private void ReadOperator(Stack<char> brackets)
    {
        int length = _at + 1 < _source.Length && _source.Substring(_at, 2) is "//" or "**" or "==" or "!=" or "<=" or ">=" ? 2 : 1;
        string text = _source.Substring(_at, length);
        if (length == 1 && !"+-*/%~[](){}<>=.:|,".Contains(text[0], StringComparison.Ordinal))
            throw Failure($"unexpected character '{text}'", _at);
        if (text is "(" or "[" or "{")
            brackets.Push(text[0]);
        else if (text is ")" or "]" or "}" && (!brackets.TryPop(out char opened) || opened != (text[0] == ')' ? '(' : text[0] == ']' ? '[' : '{')))
            throw Failure($"unexpected '{text}'", _at);
        Add(TokenKind.Operator, text, _at);
        _at += length;
    }

    private void Add(TokenKind kind, string value) => Add(kind, value, _at);

    private void Add(TokenKind kind, string value, int at) => _tokens.Add(new TemplateToken(kind, value, LineAt(at)));

    // Tokens come in order, so each newline is counted once; an earlier place (the start of a failed tag) is counted back.
    private int LineAt(int at)
    {
        at = Math.Min(at, _source.Length);
        _line += at >= _countedTo ? _source.AsSpan(_countedTo, at - _countedTo).Count('\n') : -_source.AsSpan(at, _countedTo - at).Count('\n');
        _countedTo = at;
        return _line;
    }

    private JinjaFailure Failure(string message, int at) => new(message, LineAt(at));
}
