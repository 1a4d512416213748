using System.Globalization;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Reporting;

/// <summary>Figures as tables and tooltips have them. What was not measured is a dash.</summary>
internal static class FigureText
{
    public const string None = "–";

    /// <summary>Three digits or so: 0.0123, 1.23, 12.3, 1230.</summary>
    public static string Number(double value) => Math.Abs(value) switch
    {
        0 => "0",
        < 0.001 or >= 1e7 => value.ToString("0.##e0", CultureInfo.InvariantCulture),
        < 0.01 => value.ToString("0.#####", CultureInfo.InvariantCulture),
        < 0.1 => value.ToString("0.####", CultureInfo.InvariantCulture),
        < 1 => value.ToString("0.###", CultureInfo.InvariantCulture),
        < 10 => value.ToString("0.##", CultureInfo.InvariantCulture),
        < 100 => value.ToString("0.#", CultureInfo.InvariantCulture),
        _ => value.ToString("0", CultureInfo.InvariantCulture),
    };

    /// <summary>The same for columns, where noughts at the end stay: 0.0123, 1.20, 12.0, 1230.</summary>
    public static string Figure(double? value) => value is not { } number || !double.IsFinite(number) ? None : Math.Abs(number) switch
    {
        0 => "0",
        < 0.00001 or >= 1e7 => number.ToString("0.0e0", CultureInfo.InvariantCulture),
        < 0.001 => number.ToString("0.000000", CultureInfo.InvariantCulture),
        < 1 => number.ToString("0.0000", CultureInfo.InvariantCulture),
        < 10 => number.ToString("0.00", CultureInfo.InvariantCulture),
        < 100 => number.ToString("0.0", CultureInfo.InvariantCulture),
        _ => number.ToString("0", CultureInfo.InvariantCulture),
    };

    /// <summary>As 0.52%, 4.7%, 96.0%, 100%.</summary>
    public static string Percent(double? share) => share switch
    {
        null => None,
        1 => "100%",
        { } value => $"{(value * 100).ToString(Math.Abs(value) < 0.00995 ? "0.00" : "0.0", CultureInfo.InvariantCulture)}%",
    };

    /// <summary>A score of 0 to 1 as points of 100, a digit behind.</summary>
    public static string Points(double? score) => score is { } value ? (value * 100).ToString("0.0", CultureInfo.InvariantCulture) : None;

    /// <summary>As −3.2 ± 1.1, in points of 100.</summary>
    public static string Difference(PairedDifference? difference) =>
        difference is { } paired ? $"{Signed(paired.Mean * 100, "0.0")}{(paired.Margin is { } margin ? $" ± {Points(margin)}" : "")}" : None;

    /// <summary>As [−4.3, −2.1], in points of 100.</summary>
    public static string Interval(PairedDifference? difference) =>
        difference is { Low: { } low, High: { } high } ? $"[{Signed(low * 100, "0.0")}, {Signed(high * 100, "0.0")}]" : None;

    /// <summary>As +0.012 ± 0.004.</summary>
    public static string Nats(PairedDifference? difference) => difference is { } paired
        ? $"{(paired.Mean > 0 ? "+" : paired.Mean < 0 ? "−" : "")}{Figure(Math.Abs(paired.Mean))}{(paired.Margin is { } margin ? $" ± {Figure(margin)}" : "")}"
        : None;

    /// <summary>As +1.5, −3, 0; what is rounded to nothing has no sign.</summary>
    public static string Signed(double value, string format = "0.#") => value.ToString($"+{format};−{format};{format}", CultureInfo.InvariantCulture);

    /// <summary>Tokens as 640, 4k, 128k.</summary>
    public static string Tokens(int count) => count >= 1024 && count % 1024 == 0 ? $"{count / 1024}k" : count.ToString("N0", CultureInfo.InvariantCulture);

}
