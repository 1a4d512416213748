using System.Globalization;

namespace Kvasir.Attention;

/// <summary>An option of a policy: how it is typed, what it may be, and what it is when nobody says.</summary>
public sealed class PolicyOption
{
    private readonly Func<string, bool> _accepts;

    private PolicyOption(string name, string fallback, string range, string summary, Func<string, bool> accepts)
    {
        (Name, Default, Range, Bounds, Summary) = (name, fallback, range, range, summary);
        _accepts = accepts;
    }

    /// <summary>As typed before the equals sign.</summary>
    public string Name { get; }

    /// <summary>As it would be typed.</summary>
    public string Default { get; }

    /// <summary>What it may be, in words that end a sentence: "1 to 16".</summary>
    public string Range { get; }

    /// <summary>The same with the number where there is no bound but what a number holds.</summary>
    internal string Bounds { get; private init; }

    /// <summary>One line for a list.</summary>
    public string Summary { get; }

    /// <summary>A whole number.</summary>
    public static PolicyOption Whole(string name, int fallback, int least, int most, string summary) => new(
        name, $"{fallback}", most == int.MaxValue ? $"{least} or more" : $"{least} to {most}", summary,
        text => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most)
    {
        Bounds = $"{least} to {most}",
    };

    /// <summary>A number in (<paramref name="above"/>, <paramref name="most"/>].</summary>
    public static PolicyOption Real(string name, double fallback, double above, double most, string summary) => new(
        name, fallback.ToString(CultureInfo.InvariantCulture), string.Create(CultureInfo.InvariantCulture, $"above {above} and at most {most}"), summary,
        text => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && (float)value > above && value <= most);

    /// <summary>One of a few words; the first is the default.</summary>
    public static PolicyOption Choice(string name, string summary, params string[] choices)
    {
        ArgumentNullException.ThrowIfNull(choices);
        return choices.Length > 0 ? new(name, choices[0], string.Join(" or ", choices), summary, text => choices.Contains(text))
            : throw new ArgumentException($"option '{name}' has no value to choose", nameof(choices));
    }

    /// <summary>Any text without a comma, and without what would begin a second part; empty by default.</summary>
    public static PolicyOption Text(string name, string summary) => new(
        name, "", "text without commas", summary, static text => !text.Contains(',', StringComparison.Ordinal) && PolicyText.Parts(text).Count == 1);

    /// <summary>Numbers of layers with pluses between them; "none" for no layer.</summary>
    public static PolicyOption Layers(string name, string fallback, string summary) => new(
        name, fallback, "layers from 0 on with + between, as 0+16, or none", summary,
        text => text == PolicySpec.NoLayers
            || Array.TrueForAll(text.Split('+'), layer => int.TryParse(layer, NumberStyles.None, CultureInfo.InvariantCulture, out _)));

    /// <summary>Whether <paramref name="text"/> is a value of this option.</summary>
    public bool Accepts(string text) => _accepts(text);
}
