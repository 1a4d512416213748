using System.Globalization;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Terminal;

/// <summary>Speed in words.</summary>
internal static class SpeedText
{
    /// <summary>As "1,024 of 30,000 tokens, 312 tok/s, 1m33s left".</summary>
    /// <param name="done">Tokens so far.</param>
    /// <param name="total">Tokens in all.</param>
    /// <param name="elapsed">Time that <paramref name="done"/> took.</param>
    public static string Describe(long done, long total, TimeSpan elapsed)
    {
        var counts = $"{SizeText.Count(done)} of {SizeText.Count(total)} tokens";
        if (done <= 0 || elapsed <= TimeSpan.Zero)
            return $"{counts}, {Duration(elapsed)}";
        var perSecond = done / elapsed.TotalSeconds;
        return $"{counts}, {Rate(perSecond)}, {Duration(TimeSpan.FromSeconds((total - done) / perSecond))} left";
    }

    /// <summary>As "312 tok/s", with a decimal below 100.</summary>
    public static string Rate(double tokensPerSecond) => !double.IsFinite(tokensPerSecond)
        ? "-"
        : $"{tokensPerSecond.ToString(tokensPerSecond < 99.95 ? "F1" : "N0", CultureInfo.InvariantCulture)} tok/s";

    /// <summary>As "8 ms", "2.4 s", "1m33s", "2h05m".</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        < 0.9995 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:F0} ms"),
        < 59.95 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:F1} s"),
        < 3600 => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m{time.Seconds:D2}s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours}h{time.Minutes:D2}m"),
    };
}
