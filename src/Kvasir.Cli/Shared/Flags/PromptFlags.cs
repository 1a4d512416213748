using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.LabelFree;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Somebody's own prompts, and how policies are held against dense attention on them.</summary>
internal static class PromptFlags
{
    private static readonly AgreementOptions Defaults = new();

    public static readonly ValueFlag<string> Lines = new("--prompts", "Prompts, one a line: JSONL with the field prompt (or input)", FlagValues.Path);

    public static readonly ValueFlag<string> Files = new(
        "--prompt-file", "A prompt, in UTF-8, as it is and without a chat template; several files with commas between",
        FlagValues.Path with { IsPathList = true });

    public static readonly ValueFlag<int> Tokens = new(
        "--tokens", "Most tokens of dense attention's answer, which every policy is fed", FlagValues.Whole(2, AgreementOptions.MostTokens))
    {
        Default = FlagValues.Invariant($"{Defaults.Tokens}"),
    };

    public static readonly ValueFlag<int> QuestionTokens = new(
        "--question-tokens", "In protocol b: how many of a prompt's last tokens are fed under the policy", FlagValues.Whole(1))
    {
        Default = FlagValues.Invariant($"{Defaults.QuestionTokens}"),
    };

    public static readonly SwitchFlag IgnoreEnd = new("--ignore-end", "Go on past end-of-text tokens, to --tokens, so that every prompt counts the same");

    public static bool AreTyped(TypedCommand typed) => typed.Has(Files) || typed.Has(Lines);

    /// <summary>As <see cref="Verb.Refusal"/>, for verbs that cannot do without prompts.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Has(Files) && typed.Has(Lines))
            return "--prompts and --prompt-file were given; one of them is allowed";
        return AreTyped(typed) ? null : "prompts are missing: --prompts FILE with one a line as JSON, or --prompt-file FILE";
    }

    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text.</exception>
    public static (IReadOnlyList<UserPrompt> Prompts, IReadOnlyList<string> Files) Read(TypedCommand typed)
    {
        if (typed.Find(Lines) is { } lines)
            return (UserPrompt.OfLines(lines), [lines]);
        string[] files = [.. typed.Find(Files)!.Split(',', StringSplitOptions.TrimEntries).Distinct()];
        return (UserPrompt.OfFiles(files), files);
    }

    public static AgreementOptions Options(TypedCommand typed) => Defaults with
    {
        Tokens = typed.Get(Tokens),
        QuestionTokens = typed.Get(QuestionTokens),
        IgnoreEnd = typed.Is(IgnoreEnd),
    };
}
