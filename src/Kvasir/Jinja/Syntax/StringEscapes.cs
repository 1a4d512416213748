using System.Globalization;
using System.Text;
using Kvasir.Jinja.Values;

namespace Kvasir.Jinja.Syntax;

/// <summary>Backslash escapes of string literals, as Python reads them: an unknown one stays as it is written.</summary>
internal static class StringEscapes
{
    public static string Decode(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
                i += DecodeOne(text[(i + 1)..], result, line);
            else
                result.Append(text[i]);
        }
        return result.ToString();
    }

    // Returns how many characters after the backslash belong to the escape.
    private static int DecodeOne(ReadOnlySpan<char> rest, StringBuilder result, int line)
    {
        const string Simple = "\\'\"abfnrtv";
        const string Meaning = "\\'\"\a\b\f\n\r\t\v";
        char c = rest[0];
        int simple = Simple.IndexOf(c, StringComparison.Ordinal);
        if (simple >= 0)
        {
            result.Append(Meaning[simple]);
            return 1;
        }
        switch (c)
        {
            case '\n':
                return 1;
            case 'x':
                return 1 + Hex(rest[1..], 2, result, line);
            case 'u':
                return 1 + Hex(rest[1..], 4, result, line);
            case 'U':
                return 1 + Hex(rest[1..], 8, result, line);
            case >= '0' and <= '7':
                return Octal(rest, result);
            default:
                result.Append('\\').Append(c);
                return 1;
        }
    }

    private static int Hex(ReadOnlySpan<char> digits, int count, StringBuilder result, int line)
    {
        if (digits.Length < count
            || !uint.TryParse(digits[..count], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code) || code > 0x10FFFF)
            throw new JinjaFailure("string escape without a character's number", line);
        if (code > 0xFFFF)
            result.Append(char.ConvertFromUtf32((int)code));
        else
            result.Append((char)code);
        return count;
    }

    private static int Octal(ReadOnlySpan<char> digits, StringBuilder result)
    {
        int code = 0;
        int length = 0;
        for (; length < Math.Min(3, digits.Length) && digits[length] is >= '0' and <= '7'; length++)
            code = code * 8 + digits[length] - '0';
        result.Append((char)code);
        return length;
    }
}
