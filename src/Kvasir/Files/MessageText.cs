using System.Globalization;
using System.Text;

namespace Kvasir.Files;

/// <summary>Text from a file as a message shows it: on one line, short, without control characters, whatever the file says.</summary>
internal static class MessageText
{
    private const int LimitChars = 120;

    /// <summary>In quotes: keys, tensor names and other text that a file chose.</summary>
    public static string Name(string text) => $"'{Line(text)}'";

    public static string Line(string text)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= LimitChars)
                return line.Append("...").ToString();
            if (Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                line.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            else
                line.Append(rune.ToString());
        }

        return line.ToString();
    }

    /// <summary>As 1 byte, 2048 bytes.</summary>
    public static string Count(long count, string unit) => FormattableString.Invariant($"{count} {unit}{(count == 1 ? "" : "s")}");

    /// <summary>A shape as [4096, 128].</summary>
    public static string Shape(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("[");
        for (var i = 0; i < shape.Length; i++)
        {
            if (i == 8)
                return text.Append(", ...]").ToString();
            text.Append(i == 0 ? "" : ", ").Append(shape[i]);
        }

        return text.Append(']').ToString();
    }
}
