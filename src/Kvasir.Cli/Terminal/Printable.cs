using System.Globalization;
using System.Text;

namespace Kvasir.Cli.Terminal;

/// <summary>Text that a model or a file chose, made safe to show: it could hold sequences that steer a terminal.</summary>
internal static class Printable
{
    /// <summary>Line breaks and tabs stay, other control characters become U+FFFD.</summary>
    public static string Text(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f'))
            return text;
        return string.Create(text.Length, text, static (shown, text) =>
        {
            for (var i = 0; i < shown.Length; i++)
                shown[i] = char.IsControl(text[i]) && text[i] is not ('\n' or '\t') ? '\uFFFD' : text[i];
        });
    }

    /// <summary>On one line, control characters as escapes, cut with dots after <paramref name="limitChars"/>.</summary>
    public static string Line(string text, int limitChars = int.MaxValue)
    {
        var line = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (line.Length >= limitChars)
                return line.Append("...").ToString();
            _ = rune.Value switch
            {
                '\n' => line.Append("\\n"),
                '\r' => line.Append("\\r"),
                '\t' => line.Append("\\t"),
                _ when IsUnshowable(rune) => line.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}"),
                _ => line.Append(rune.ToString()),
            };
        }

        return line.ToString();
    }

    private static bool IsUnshowable(Rune rune) =>
        Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
