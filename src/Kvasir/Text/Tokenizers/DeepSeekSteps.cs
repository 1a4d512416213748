using System.Text.Json;
using Kvasir.Files;

namespace Kvasir.Text.Tokenizers;

/// <summary>
/// The pre-tokenizer of DeepSeek 3 and Hunyuan as tokenizer.json has it: three expressions, each on what the ones before it left, and then bytes
/// (<see cref="Words.DeepSeekWords"/>).
/// </summary>
internal static class DeepSeekSteps
{
    private static readonly string[] Expressions =
    [
        @"\p{N}{1,3}",
        "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ];

    /// <summary>Whether a pre-tokenizer is these steps, and nothing else.</summary>
    /// <param name="bytes">The step behind them.</param>
    public static bool TryRead(JsonPlace preTokenizer, out JsonPlace bytes)
    {
        bytes = preTokenizer;
        if (preTokenizer.Get("type").Text() != "Sequence")
            return false;
        JsonPlace[] steps = [.. preTokenizer.Get("pretokenizers").Items()];
        if (steps.Length != Expressions.Length + 1 || steps[^1].Get("type").Text() != "ByteLevel")
            return false;
        for (var i = 0; i < Expressions.Length; i++)
        {
            if (!Is(steps[i], Expressions[i]))
                return false;
        }

        bytes = steps[^1];
        return !bytes.Flag("use_regex", otherwise: true);
    }

    private static bool Is(JsonPlace step, string expression) => step.Get("type").Text() == "Split"
        && step.Get("pattern") is { Kind: JsonValueKind.Object } pattern && pattern.Find("Regex") is { } own
        && own.Text().Replace("\r", @"\r", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal) == expression
        && step.Get("behavior").Text() == "Isolated" && !step.Flag("invert");
}
