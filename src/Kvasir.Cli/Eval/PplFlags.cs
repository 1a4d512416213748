using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval ppl</c> measures.</summary>
internal static class PplFlags
{
    private const int MaxWindows = 1_000_000;

    public static readonly ValueFlag<string> File = new("--file", "A text in UTF-8", FlagValues.Path) { Letter = "-f", IsRequired = true };

    public static readonly ValueFlag<int> Scored = new(
        "--scored", "Last tokens of a window, which are fed under the policy and predicted", FlagValues.Whole(1, 1 << 30))
    {
        Default = "256",
    };

    public static readonly ValueFlag<int> Windows = new(
        "--windows",
        "The most windows of each length, drawn evenly from the whole text",
        FlagValues.Whole(1, MaxWindows))
    { Default = "8" };

    public static readonly FlagGroup Group = new("Text", File, EvalFlags.Contexts with { Help = "Tokens of a window, as 4096,16k" }, Scored, Windows);

    /// <exception cref="KvasirException">
    /// A length has no room for the scored tokens or is beyond the model, or the file is no text, or shorter than a window.
    /// </exception>
    public static EvaluationPlan Read(TypedCommand typed, Model model)
    {
        var native = model.Config.ContextTokens;
        var contexts = EvalFlags.Lengths(typed, native);
        if (contexts.Max() > native)
            throw new KvasirException(
                KvasirError.ContextExceeded,
                $"a context of {contexts.Max()} tokens is beyond the {native} that {model.Config.Name} was made for");
        var task = new PerplexityTask(typed.Get(File), model.Tokenizer, contexts, typed.Get(Scored), typed.Get(Windows));
        var plan = ComparisonFlags.Read(typed);
        return plan with { Tasks = [task], Contexts = contexts, Protocols = [Protocol.QuestionSparse], Samples = task.SampleCount!.Value };
    }
}
