using System.Globalization;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Sizes as people type and read them: tokens as 4096, 32k, 1M, bytes as 512M, 2G, 1.5GiB. All are powers of 1024.</summary>
internal static class SizeText
{
    private const string Scales = "KMGT";
    private static readonly string[] ByteUnits = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>From 1 to 2^31 - 1.</summary>
    public static bool TryTokens(string text, out int tokens)
    {
        tokens = TryScaled(text, out var value) && value is >= 1 and <= int.MaxValue ? (int)value : 0;
        return tokens > 0;
    }

    /// <summary>From 1 to 2^63 - 1.</summary>
    public static bool TryBytes(string text, out long bytes)
    {
        bytes = TryByteCount(text, out var value) && value is >= 1 and <= long.MaxValue ? (long)value : 0;
        return bytes > 0;
    }

    /// <summary>Whether it is spelled as a number of tokens, if one that is out of range.</summary>
    public static bool IsTokens(string text) => TryScaled(text, out _);

    /// <summary>Whether it is spelled as a size in bytes, if one that is out of range.</summary>
    public static bool IsBytes(string text) => TryByteCount(text, out _);

    /// <summary>As 640 B, 1.0 MiB, 12.3 GiB.</summary>
    public static string Bytes(long bytes)
    {
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1023.95 && unit < ByteUnits.Length - 1; unit++)
            value /= 1024;
        return unit == 0 ? FormattableString.Invariant($"{bytes} B") : FormattableString.Invariant($"{value:F1} {ByteUnits[unit]}");
    }

    /// <summary>As 1,048,576.</summary>
    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>As 1 token, 2,048 tokens.</summary>
    public static string TokenCount(long tokens) => $"{Count(tokens)} {(tokens == 1 ? "token" : "tokens")}";

    private static bool TryByteCount(string text, out decimal value)
    {
        var number = text.EndsWith("iB", StringComparison.OrdinalIgnoreCase) ? text[..^2] : text.TrimEnd('b', 'B');
        value = 0;
        return text.Length - number.Length <= 2 && TryScaled(number, out value);
    }

    private static bool TryScaled(string text, out decimal value)
    {
        var scale = text.Length > 0 ? Scales.IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal) : -1;
        var digits = scale < 0 ? text : text[..^1];
        if (!decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value))
        {
            // More digits than a number holds are a number all the same.
            value = decimal.MaxValue;
            return digits.Length > 0 && digits.All(char.IsAsciiDigit);
        }

        var unit = 1L << (10 * (scale + 1));
        value = value > decimal.MaxValue / unit ? decimal.MaxValue : value * unit;
        return value == decimal.Truncate(value);
    }
}
