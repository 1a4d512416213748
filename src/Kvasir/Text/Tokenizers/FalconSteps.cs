using Kvasir.Files;
using Kvasir.Text.Words;

namespace Kvasir.Text.Tokenizers;

/// <summary>
/// Falcon's four steps of a pre-tokenizer, which mean something together and are refused otherwise: runs of punctuation, GPT-2's words, runs of digits, and
/// three digits at a time. Digits apart from the blank before them and from other numbers are no pass of <see cref="FalconWords"/>: a vocabulary that was
/// trained with these steps has no merge across such a cut.
/// </summary>
internal static class FalconSteps
{
    public static WordRules Read(JsonPlace preTokenizer)
    {
        JsonPlace[] steps = preTokenizer.Get("type").Text() == "Sequence" ? [.. preTokenizer.Get("pretokenizers").Items()] : [preTokenizer];
        if (steps.Length != 4 || !IsPunctuation(steps[0]) || !IsByteLevel(steps[1]) || !IsDigits(steps[2]) || !IsThreeDigits(steps[3]))
        {
            throw preTokenizer.Unsupported(
                "has Punctuation; it is supported in Falcon's sequence alone: contiguous Punctuation, ByteLevel, Digits in runs, and Split of [0-9][0-9][0-9]");
        }

        return new WordRules(WordPattern.Falcon, IsByteLevel: true, SpaceMark: null, SpacePrefix.None);
    }

    private static bool IsPunctuation(JsonPlace step) => Is(step, "Punctuation") && step.Find("behavior")?.Text() == "Contiguous";

    private static bool IsByteLevel(JsonPlace step) =>
        Is(step, "ByteLevel") && !step.Flag("add_prefix_space", otherwise: true) && step.Flag("use_regex", otherwise: true);

    private static bool IsDigits(JsonPlace step) => Is(step, "Digits") && !step.Flag("individual_digits");

    private static bool IsThreeDigits(JsonPlace step) => Is(step, "Split") && step.Get("pattern").Find("Regex")?.Text() is "[0-9][0-9][0-9]" or "[0-9]{3}"
        && step.Get("behavior").Text() == "Isolated" && !step.Flag("invert");

    private static bool Is(JsonPlace step, string type) => step.Get("type").Text() == type;
}
