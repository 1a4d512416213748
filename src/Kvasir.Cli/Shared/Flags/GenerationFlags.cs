using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How long an answer is, what ends it, and how it is drawn.</summary>
internal static class GenerationFlags
{
    private const int MaxStops = 16;
    private const int MaxStopBytes = 256;
    private const int MaxLogprobs = 20;

    public static readonly ValueFlag<int> MaxTokens = new("--max-tokens", "The most tokens of an answer", FlagValues.Whole(1))
    {
        Otherwise = "to the end of the context",
        Elsewhere = ["-n", "--n-predict", "--predict", "--num-predict", "--max-new-tokens"],
    };

    public static readonly ValueFlag<string[]> Stop = new(
        "--stop",
        $"End the answer before this text, up to {MaxStops} of them",
        new("TEXT", $"a text of 1 to {MaxStopBytes} bytes", TryParseStop) { Join = Joined })
    {
        Elsewhere = ["-r", "--reverse-prompt"],
    };

    public static readonly ValueFlag<int> Logprobs = new(
        "--logprobs", "With --json: the log-probability of each token and of this many alternatives", FlagValues.Whole(0, MaxLogprobs));

    public static readonly SwitchFlag IgnoreEnd = new(
        "--ignore-end",
        "Go on past end-of-text tokens, to --max-tokens: for measurements")
    { Elsewhere = ["--ignore-eos"] };

    public static readonly ValueFlag<int> Speculate = new(
        "--speculate", "Tokens that are guessed at a time, from repeated text, or at most, by --self-draft; a wrong guess is taken back",
        FlagValues.Whole(0, GenerationOptions.MostSpeculativeTokens))
    {
        Default = "0",
        Elsewhere = ["--draft", "--draft-max", "--draft-n"],
    };

    public static readonly FlagGroup[] Groups = [new("Answer", MaxTokens, Stop, Logprobs, IgnoreEnd, Speculate), SamplingFlags.Group];

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed, SwitchFlag json) =>
        typed.Has(Logprobs) && !typed.Is(json) ? "--logprobs has no place in plain text; it needs --json"
        : typed.Is(ModelFlags.SelfDraft) && typed.Has(Speculate) && typed.FindValue(Speculate) == 0
            ? "--speculate 0 has no place beside --self-draft, which guesses" : null;

    /// <param name="model">Whose makers' defaults hold where nothing is typed.</param>
    public static GenerationOptions Read(TypedCommand typed, Model model) => new()
    {
        MaxTokens = typed.FindValue(MaxTokens),
        Sampling = SamplingFlags.Read(typed, SamplingOptions.For(model.Defaults)),
        Stop = typed.Find(Stop) ?? [],
        TopLogprobs = typed.FindValue(Logprobs),
        IgnoreEnd = typed.Is(IgnoreEnd),
        SpeculativeTokens = typed.FindValue(Speculate) ?? 0,
    };

    /// <summary>The options of one request: where no seed is typed, one that a person can type again and that JSON readers do not round.</summary>
    public static GenerationOptions Seeded(GenerationOptions options) => options with
    {
        Sampling = options.Sampling with { Seed = options.Sampling.Seed ?? (ulong)Random.Shared.NextInt64(1L << 32) },
    };

    private static bool TryParseStop(string text, [MaybeNullWhen(false)] out string[] stops)
    {
        stops = [text];
        return Encoding.UTF8.GetByteCount(text) is > 0 and <= MaxStopBytes;
    }

    private static string[] Joined(string[] first, string[] more) => first.Length < MaxStops
        ? [.. first, .. more]
        : throw new KvasirException(KvasirError.BadOption, $"there are more than {MaxStops} texts");
}
