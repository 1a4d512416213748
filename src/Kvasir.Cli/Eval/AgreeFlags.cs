using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval agree</c> compares.</summary>
internal static class AgreeFlags
{
    public static readonly SwitchFlag NoAnswers = new(
        "--no-answers",
        "Do not let policies that differ answer by themselves: half the time, and no lengths of answers");

    public static readonly FlagGroup Group = new(
        "Prompts", PromptFlags.Lines, PromptFlags.Files, PromptFlags.Tokens, PromptFlags.QuestionTokens, PromptFlags.IgnoreEnd, NoAnswers);

    /// <summary>With its files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text.</exception>
    public static AgreementTask Task(TypedCommand typed)
    {
        var (prompts, files) = PromptFlags.Read(typed);
        return new AgreementTask(prompts, files, PromptFlags.Options(typed) with { DecodesAnswers = !typed.Is(NoAnswers) });
    }

    /// <summary>A prompt beyond the native window is left to be refused by its name.</summary>
    public static EvaluationPlan Read(TypedCommand typed, AgreementTask task, Model model) => ComparisonFlags.Read(typed) with
    {
        Tasks = [task],
        Contexts = [Math.Clamp(task.LongestTokens(model), 1, model.Config.ContextTokens)],
        Samples = task.SampleCount!.Value,
    };
}
