using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Kvasir.Ground;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>The values that flags take, each with its limits and its parse.</summary>
internal static class FlagValues
{
    private const NumberStyles Signed = NumberStyles.AllowLeadingSign;

    /// <summary>Any text.</summary>
    public static readonly FlagValue<string> Text = new("TEXT", "a text", Same);

    /// <summary>The name of a file or folder, which is opened later.</summary>
    public static readonly FlagValue<string> Path = new("PATH", "a path", Named) { IsPath = true };

    /// <summary>The name of a file that is read.</summary>
    public static readonly FlagValue<string> File = Path with { Name = "FILE" };

    /// <summary>The name of a file that is written.</summary>
    public static readonly FlagValue<string> WrittenFile = File with { IsWritten = true };

    /// <summary>As 4096, 32k or 1M; at least 1.</summary>
    public static readonly FlagValue<int> Tokens = new("TOKENS", "a number of tokens such as 4096, 32k or 1M", static (text, out value) =>
        SizeText.TryTokens(text, out value) || IsBeyond(SizeText.IsTokens(text), text, $"1 to {int.MaxValue}"));

    /// <summary>As 512M, 2G or 1.5GiB.</summary>
    public static readonly FlagValue<long> Bytes = new("SIZE", "a size such as 512M, 2G or 1.5GiB", static (text, out value) =>
        SizeText.TryBytes(text, out value) || IsBeyond(SizeText.IsBytes(text), text, $"1 to {long.MaxValue} bytes"));

    /// <summary>The same, or 0.</summary>
    public static readonly FlagValue<long> BytesOrNone = Bytes with
    {
        Parser = static (string text, out long value) => text == "0" ? (value = 0) == 0 : Bytes.Parser(text, out value),
    };

    public static readonly FlagValue<ulong> Seed = new(
        "N", "a whole number from 0 to 2^64 - 1", static (text, out value) =>
            ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) || IsBeyond(IsWhole(text), text, "0 to 2^64 - 1"));

    public static FlagValue<int> Whole(int least, int most = int.MaxValue) => new(
        "N",
        most == int.MaxValue ? $"a whole number from {least}" : $"a whole number from {least} to {most}",
        (text, out value) => int.TryParse(text, Signed, CultureInfo.InvariantCulture, out value) && value >= least && value <= most
            || IsBeyond(IsWhole(text), text, $"{least} to {most}"))
    {
        Limits = most == int.MaxValue ? $"{least} or more" : $"{least} to {most}",
    };

    /// <param name="limits">In words, where the least number stands for all that are above something.</param>
    public static FlagValue<double> Number(double least, double most, string? limits = null) => new(
        "N",
        Invariant($"a number from {least} to {most}"),
        (text, out value) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && value >= least && value <= most
            || IsBeyond(!double.IsNaN(value) && text.Any(char.IsAsciiDigit) && IsReal(text), text, limits ?? Invariant($"{least} to {most}")))
    {
        Limits = limits ?? Invariant($"{least} to {most}"),
    };

    /// <summary>False for a text that is no such value at all.</summary>
    /// <param name="isOfKind">Whether the text is of the right kind: then it is out of range.</param>
    /// <exception cref="KvasirException">It is of the kind; the message says the range.</exception>
    public static bool IsBeyond(bool isOfKind, string text, string range) =>
        isOfKind ? throw new KvasirException(KvasirError.BadOption, $"'{text}' is out of range: {range}") : false;

    /// <summary>One of a few words, whatever their case.</summary>
    public static FlagValue<T> OneOf<T>(string name, params (string Text, T Value)[] choices)
    {
        string[] words = Array.ConvertAll(choices, static choice => choice.Text);
        return new FlagValue<T>(name, Alternatives(words), (string text, [MaybeNullWhen(false)] out T value) =>
        {
            var index = Array.FindIndex(words, word => word.Equals(text, StringComparison.OrdinalIgnoreCase));
            value = index < 0 ? default : choices[index].Value;
            return index >= 0;
        })
        {
            Choices = () => words,
        };
    }

    /// <summary>One of a few words, which stand for themselves.</summary>
    public static FlagValue<string> OneOf(string name, params string[] words) => OneOf(name, Array.ConvertAll(words, static word => (word, word)));

    /// <summary>Values with commas between: ascending, each once.</summary>
    public static FlagValue<T[]> ListOf<T>(FlagValue<T> item, string allowed)
        where T : struct => new("LIST", allowed, (string text, [MaybeNullWhen(false)] out T[] values) =>
        {
            var found = new SortedSet<T>();
            values = null;
            foreach (var part in text.Split(',', StringSplitOptions.TrimEntries))
            {
                if (!item.Parser(part, out var value))
                    return false;
                found.Add(value);
            }

            values = [.. found];
            return true;
        })
        {
            Choices = item.Choices,
            Limits = item.Limits,
        };

    /// <summary>As "a, b or c".</summary>
    public static string Alternatives(IReadOnlyList<string> words) =>
        words.Count == 1 ? words[0] : $"{string.Join(", ", words.Take(words.Count - 1))} or {words[^1]}";

    public static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    private static bool IsWhole(string text) =>
        text.Length > 0 && (text[0] is '+' or '-' ? text[1..] : text) is { Length: > 0 } digits && digits.All(char.IsAsciiDigit);

    private static bool IsReal(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    // An empty one is a variable of a script that was never set, and names nothing.
    private static bool Named(string text, out string value) => Same(text, out value) && text.Length > 0;

    private static bool Same(string text, out string value)
    {
        value = text;
        return true;
    }
}
