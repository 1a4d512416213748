using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Jinja.Values;

/// <summary>
/// A string value that knows which of its characters the template itself wrote. All others are text that came from outside, as are those of
/// plain strings: whatever makes a new string and does not care for marks makes text, and only what the template wrote can spell a control token.
/// </summary>
/// <param name="value">The characters.</param>
/// <param name="marks">A character for each of them, <see cref="Own"/> where the template wrote it; null where it wrote none.</param>
internal sealed class MarkedText(string value, string? marks)
{
    public const char Own = '\u0001';

    public string Value { get; } = value;

    public string? Marks { get; } = marks;

    public int Length => Value.Length;

    public char this[int index] => Value[index];

    [return: NotNullIfNotNull(nameof(text))]
    public static implicit operator string?(MarkedText? text) => text?.Value;

    [return: NotNullIfNotNull(nameof(text))]
    public static implicit operator MarkedText?(string? text) => text is null ? null : new MarkedText(text, null);

    /// <summary>What the template wrote.</summary>
    public static MarkedText OfTemplate(string text) => new(text, new string(Own, text.Length));

    /// <summary>A string value, marked or plain; null for values of other types.</summary>
    public static MarkedText? Find(object? value) => value as MarkedText ?? value as string;

    /// <summary>The value without its marks.</summary>
    [return: NotNullIfNotNull(nameof(value))]
    public static object? Plain(object? value) => value is MarkedText text ? text.Value : value;

    public static MarkedText Concat(IEnumerable<object> texts)
    {
        var result = new MarkedTextBuilder();
        foreach (object text in texts)
            result.Append(Find(text)!);
        return result.ToText();
    }

    /// <summary>Part of it; what ranges are made of.</summary>
    public MarkedText Slice(int start, int length) => new(Value.Substring(start, length), Marks?.Substring(start, length));

    /// <summary>The same characters in another case: marks stay with their places, and are lost where places move.</summary>
    public MarkedText Mapped(Func<string, string> map) => map(Value) is var mapped && mapped.Length == Length ? new MarkedText(mapped, Marks) : mapped;

    public override string ToString() => Value;
}
