using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How tokens are drawn. What is not typed is as the model's makers say, and after them as <see cref="SamplingOptions"/> says.</summary>
internal static class SamplingFlags
{
    private static readonly SamplingOptions Defaults = new();

    public static readonly ValueFlag<double> Temperature = new(
        "--temperature",
        "Randomness; 0 takes the most probable token, always",
        FlagValues.Number(0, 100))
    {
        Otherwise = OfModel(Defaults.Temperature),
        Elsewhere = ["--temp"],
    };

    public static readonly ValueFlag<int> TopK = new("--top-k", "Draw among this many most probable tokens; 0 for all", FlagValues.Whole(0))
    {
        Otherwise = OfModel(Defaults.TopK),
        Elsewhere = ["-k"],
    };

    public static readonly ValueFlag<double> TopP = new(
        "--top-p",
        "Draw among the most probable tokens that hold this much probability",
        FlagValues.Number(1e-6, 1, "above 0 to 1"))
    {
        Otherwise = OfModel(Defaults.TopP),
        Elsewhere = ["-p"],
    };

    public static readonly ValueFlag<double> MinP = new(
        "--min-p",
        "Drop tokens less probable than this share of the most probable one's",
        FlagValues.Number(0, 1))
    {
        Otherwise = OfModel(Defaults.MinP),
    };

    public static readonly ValueFlag<double> RepeatPenalty = new(
        "--repeat-penalty", $"Make the last {Defaults.RepetitionWindow} tokens less probable; 1 is off", FlagValues.Number(1e-3, 100))
    {
        Otherwise = OfModel(1),
        Elsewhere = ["--repetition-penalty"],
    };

    public static readonly ValueFlag<double> PresencePenalty = new(
        "--presence-penalty", "Taken from the logit of every token that the answer has", FlagValues.Number(-2, 2))
    { Default = "0" };

    public static readonly ValueFlag<double> FrequencyPenalty = new(
        "--frequency-penalty", "Taken from a token's logit for each time that the answer has it", FlagValues.Number(-2, 2))
    { Default = "0" };

    public static readonly ValueFlag<Dictionary<int, float>> LogitBias = new(
        "--logit-bias",
        "Added to the logit of token ID, -100 (never) to 100",
        new("ID=VALUE", "of the form ID=VALUE with a token's id and a number from -100 to 100", TryParseBias) { Join = Joined });

    public static readonly ValueFlag<ulong> Seed = new("--seed", "The same seed, prompt, options and threads give the same answer", FlagValues.Seed)
    {
        Otherwise = "a fresh one, which the last line says and --json too",
        Elsewhere = ["-s"],
    };

    public static readonly FlagGroup Group = new("Sampling", Temperature, TopK, TopP, MinP, RepeatPenalty, PresencePenalty, FrequencyPenalty, LogitBias, Seed);

    /// <summary>The seed of something else than an answer.</summary>
    public static ValueFlag<ulong> SeedOf(string help, ulong seed) => Seed with { Help = help, Otherwise = null, Default = FlagValues.Invariant($"{seed}") };

    /// <param name="defaults">What holds where nothing is typed.</param>
    public static SamplingOptions Read(TypedCommand typed, SamplingOptions defaults) => defaults with
    {
        Temperature = (float?)typed.FindValue(Temperature) ?? defaults.Temperature,
        TopK = typed.FindValue(TopK) ?? defaults.TopK,
        TopP = (float?)typed.FindValue(TopP) ?? defaults.TopP,
        MinP = (float?)typed.FindValue(MinP) ?? defaults.MinP,
        RepetitionPenalty = (float?)typed.FindValue(RepeatPenalty) ?? defaults.RepetitionPenalty,
        PresencePenalty = (float?)typed.FindValue(PresencePenalty) ?? defaults.PresencePenalty,
        FrequencyPenalty = (float?)typed.FindValue(FrequencyPenalty) ?? defaults.FrequencyPenalty,
        LogitBias = typed.Find(LogitBias) ?? defaults.LogitBias,
        Seed = typed.FindValue(Seed),
    };

    private static string OfModel(double otherwise) => FlagValues.Invariant($"the model's, else {(float)otherwise}");

    private static bool TryParseBias(string text, [MaybeNullWhen(false)] out Dictionary<int, float> bias)
    {
        var parts = text.Split('=');
        var value = 0f;
        var isBias = parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && float.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out value)
            && (value is >= -100 and <= 100 || FlagValues.IsBeyond(!float.IsNaN(value), text, "-100 to 100"));
        bias = isBias ? new Dictionary<int, float> { [int.Parse(parts[0], CultureInfo.InvariantCulture)] = value } : null;
        return isBias;
    }

    private static Dictionary<int, float> Joined(Dictionary<int, float> first, Dictionary<int, float> more)
    {
        foreach (var (token, value) in more)
            first[token] = value;
        return first;
    }
}
