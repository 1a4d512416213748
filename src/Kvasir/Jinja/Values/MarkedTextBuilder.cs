using System.Text;

namespace Kvasir.Jinja.Values;

/// <summary>Joins texts with their marks.</summary>
internal sealed class MarkedTextBuilder
{
    private const char Foreign = '\0';

    private readonly StringBuilder _value = new();

    private readonly StringBuilder _marks = new();

    private bool _hasMarks;

    public int Length => _value.Length;

    public MarkedTextBuilder Append(MarkedText text)
    {
        _value.Append(text.Value);
        _hasMarks |= text.Marks is not null;
        if (text.Marks is not null)
            _marks.Append(text.Marks);
        else
            _marks.Append(Foreign, text.Length);
        return this;
    }

    public MarkedText ToText() => new(_value.ToString(), _hasMarks ? _marks.ToString() : null);
}
