using System.Globalization;
using System.Text.RegularExpressions;
using Kvasir.Server.Answers;
using Kvasir.Server.Hosting;
using Kvasir.Server.Reading;

namespace Kvasir.Server.Ollama;

/// <summary>
/// <c>keep_alive</c>: how long a model stays behind a request, as seconds or as <c>1h30m</c>; what is below zero is for ever. A model that was named when the
/// server started stays, which the answer's header says.
/// </summary>
internal static partial class KeepAliveField
{
    private const double LongestSeconds = 1e9;
    private static readonly Dictionary<string, double> UnitSeconds = new(StringComparer.Ordinal)
    {
        ["ns"] = 1e-9,
        ["us"] = 1e-6,
        ["\u00b5s"] = 1e-6,
        ["ms"] = 1e-3,
        ["s"] = 1,
        ["m"] = 60,
        ["h"] = 3600,
    };

    /// <returns>Null where the request does not say.</returns>
    /// <exception cref="Errors.RequestException">It is no time.</exception>
    public static ModelStay? Read(RequestFields body)
    {
        if (body.Find("keep_alive") is not { } given)
            return null;
        var seconds = given.IsNumber ? given.Number(double.MinValue, double.MaxValue)
            : Seconds(given.Text()) ?? throw given.Refused(
                $"{given.Path} is '{RequestValue.Short(given.Text())}'; seconds, or a time such as 5m or 1h30m, are expected");
        return new ModelStay(seconds is < 0 or > LongestSeconds ? null : TimeSpan.FromSeconds(seconds));
    }

    /// <summary>Names the field in the header where it is for a model that stays.</summary>
    public static void Heed(RequestFields body, KnownModel known)
    {
        if (known.IsNamed && body.Find("keep_alive") is { } given && Read(body) is { Time: not null })
            given.Ignore();
    }

    // Go's durations, and plain seconds.
    private static double? Seconds(string text)
    {
        if (double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var plain))
            return plain;
        if (Duration().Match(text) is not { Success: true } match)
            return null;
        var (counts, units) = (match.Groups["count"].Captures, match.Groups["unit"].Captures);
        var sum = 0.0;
        for (var i = 0; i < counts.Count; i++)
            sum += double.Parse(counts[i].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) * UnitSeconds[units[i].Value];
        return text[0] == '-' ? -sum : sum;
    }

    [GeneratedRegex("^[-+]?(?:(?<count>[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?<unit>ns|us|\u00b5s|ms|s|m|h))+$")]
    private static partial Regex Duration();
}
