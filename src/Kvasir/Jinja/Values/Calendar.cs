using System.Globalization;
using System.Text;

namespace Kvasir.Jinja.Values;

/// <summary>Times by Python's strftime codes, in English.</summary>
internal static class Calendar
{
    public static string Format(DateTimeOffset time, string format)
    {
        var result = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }
            // %-d is %d without leading zeros.
            bool bare = i + 1 < format.Length && format[i + 1] == '-';
            i += bare ? 2 : 1;
            string field = Field(time, i < format.Length ? format[i] : ' ');
            result.Append(bare && field.TrimStart('0') is { Length: > 0 } digits ? digits : bare && field.Length > 1 ? "0" : field);
        }
        return result.ToString();
    }

    private static string Field(DateTimeOffset time, char code)
    {
        string? pattern = code switch
        {
            'Y' => "yyyy",
            'y' => "yy",
            'm' => "MM",
            'd' => "dd",
            'B' => "MMMM",
            'b' or 'h' => "MMM",
            'A' => "dddd",
            'a' => "ddd",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'f' => "ffffff",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            'R' => "HH:mm",
            'D' => "MM/dd/yy",
            _ => null,
        };
        if (pattern is not null)
            return time.ToString(pattern, CultureInfo.InvariantCulture);
        return code switch
        {
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            // Python's local time does not know its zone.
            'z' or 'Z' => "",
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            '%' => "%",
            _ => throw new JinjaFailure($"strftime_now: code '%{code}' is not supported"),
        };
    }
}
