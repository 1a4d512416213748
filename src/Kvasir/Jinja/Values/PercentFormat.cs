using System.Globalization;
using System.Text;

namespace Kvasir.Jinja.Values;

/// <summary>Python's formatting with %, for the conversions that chat templates use: %s, %r, %d, %i, %f, %x and %%, with flags, width and precision.</summary>
internal static class PercentFormat
{
    private const int MaxWidth = 1000;

    public static MarkedText Apply(RenderBudget budget, MarkedText format, IReadOnlyList<object> values)
    {
        var result = new MarkedTextBuilder();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format.Slice(i, 1));
                continue;
            }
            i++;
            bool left = false;
            bool zeros = false;
            for (; i < format.Length && format[i] is '-' or '0'; i++)
                _ = format[i] == '-' ? left = true : zeros = true;
            int width = Number(format, ref i);
            int precision = -1;
            if (i < format.Length && format[i] == '.')
            {
                i++;
                precision = Number(format, ref i);
            }
            MarkedText text = i >= format.Length
                ? throw new JinjaFailure("format ends within a conversion")
                : format[i] == '%' ? "%"
                : next < values.Count ? Convert(budget, format[i], values[next++], precision)
                : throw new JinjaFailure("format has more conversions than values");
            result.Append(Padded(text, width, left, zeros && format[i] is not ('s' or 'r')));
            budget.Characters(width + text.Length);
        }
        budget.Characters(format.Length);
        return next == values.Count ? result.ToText() : throw new JinjaFailure("format has fewer conversions than values");
    }

    private static MarkedText Convert(RenderBudget budget, char conversion, object value, int precision)
    {
        switch (conversion)
        {
            case 's':
                var text = PythonText.Str(budget, value);
                return precision >= 0 && precision < text.Length ? text[..precision] : text;
            case 'r':
                var quoted = new StringBuilder();
                PythonText.Repr(budget, value, quoted);
                return quoted.ToString();
            case 'd' or 'i' when value is long or bool:
                return Operators.AsLong(value).ToString(CultureInfo.InvariantCulture);
            case 'd' or 'i' when value is double number && Math.Abs(number) < 1e18:
                return ((long)number).ToString(CultureInfo.InvariantCulture);
            case 'x' when value is long or bool && Operators.AsLong(value) >= 0:
                return Operators.AsLong(value).ToString("x", CultureInfo.InvariantCulture);
            case 'f' when Operators.IsNumber(value):
                return Operators.AsDouble(value).ToString("F" + (precision < 0 ? 6 : precision), CultureInfo.InvariantCulture);
            default:
                throw new JinjaFailure($"conversion '%{conversion}' of {Operators.TypeName(value)} is not supported");
        }
    }

    private static int Number(MarkedText format, ref int i)
    {
        int number = 0;
        for (; i < format.Length && char.IsAsciiDigit(format[i]); i++)
            number = number * 10 + format[i] - '0' is var grown and <= MaxWidth ? grown : throw new JinjaFailure($"format width above {MaxWidth}");
        return number;
    }

    private static MarkedText Padded(MarkedText text, int width, bool left, bool zeros)
    {
        if (text.Length >= width)
            return text;
        // Zeros go between a sign and its digits.
        int at = left ? text.Length : zeros && text.Value.StartsWith('-') ? 1 : 0;
        var padding = new string(zeros && !left ? '0' : ' ', width - text.Length);
        return new MarkedTextBuilder().Append(text[..at]).Append(padding).Append(text[at..]).ToText();
    }
}
