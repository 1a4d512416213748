using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Options with a value that is checked as it is parsed: what is wrong becomes one line with option, value and what is allowed.</summary>
internal static class Typed
{
    /// <summary>A number from <paramref name="least"/> to <paramref name="most"/>; null where it is not typed.</summary>
    public static Option<double?> Number(string name, string description, double least, double most)
    {
        var allowed = string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}");
        return Parsed<double?>(name, "N", description, allowed, text =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value : null);
    }

    /// <summary>A whole number from <paramref name="least"/> to <paramref name="most"/>; null where it is not typed.</summary>
    public static Option<int?> Whole(string name, string description, int least, int most)
    {
        var allowed = most == int.MaxValue ? $"a whole number from {least}" : $"a whole number from {least} to {most}";
        return Parsed<int?>(name, "N", description, allowed, text =>
            int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most ? value : null);
    }

    /// <summary>An option whose text <paramref name="parse"/> understands, or gives null for.</summary>
    public static Option<T?> Parsed<T>(string name, string valueName, string description, string allowed, Func<string, T?> parse) => new(name)
    {
        HelpName = valueName,
        Description = description,
        CustomParser = result =>
        {
            var text = result.Tokens[^1].Value;
            var value = parse(text);
            if (value is null)
                Refuse(result, name, text, allowed);
            return value;
        },
    };

    /// <summary>Values with commas between: ascending, each once; null where one is not understood.</summary>
    public static T[]? List<T>(string text, Func<string, T?> parse)
        where T : struct
    {
        var values = Array.ConvertAll(text.Split(',', StringSplitOptions.TrimEntries), part => parse(part));
        return Array.TrueForAll(values, static value => value is not null) ? [.. values.Select(static value => value!.Value).Distinct().Order()] : null;
    }

    public static void Refuse(ArgumentResult result, string name, string text, string allowed) => result.AddError($"{name}: '{text}' is not {allowed}");
}
