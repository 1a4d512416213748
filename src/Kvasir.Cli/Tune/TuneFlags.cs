using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Eval;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.LabelFree;
using Kvasir.Evaluation.Running;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Cli.Tune;

/// <summary>What <c>tune</c> measures, and what it looks for.</summary>
internal static class TuneFlags
{
    private const int MaxSteps = 20;
    private const string Keys = "keys";
    private const string Time = "time";
    private static readonly TuneOptions Defaults = new();
    private static readonly EvaluationPlan PlanDefaults = new() { Tasks = [], Contexts = [], Policies = [] };

    private static readonly ValueFlag<double> Target = new(
        "--target",
        "What is to be kept of dense attention's answers, or of its score, as 99% or 0.99",
        new("SHARE", "a share above 0 and at most 1, such as 99% or 0.99", TryParseShare))
    { Default = "99%" };

    private static readonly ValueFlag<string> Task = new(
        "--task",
        "Keep the score of this task instead of agreement on prompts: kvasir eval --help lists them",
        FlagValues.Text with { Name = "NAME" });
    private static readonly ValueFlag<string> File = new("--file", "With --task: its file, where it needs one", FlagValues.Path) { Letter = "-f" };
    private static readonly ValueFlag<int> Context = EvalFlags.Context with { Help = "With --task: tokens of prompt and answer, as 4096 or 16k" };
    private static readonly ValueFlag<int> Samples = EvalFlags.Samples with { Help = "With --task: how many", Default = "20" };
    private static readonly ValueFlag<ulong> Seed = EvalFlags.Seed with { Help = "With --task: of the samples" };

    private static readonly ValueFlag<string> By = new(
        "--by", $"What the cheapest has least of: {Keys} read, or {Time} a token", FlagValues.OneOf("COST", Keys, Time))
    { Default = Keys };

    private static readonly ValueFlag<int> Steps = new(
        "--steps",
        "Settings that are tried between two budgets",
        FlagValues.Whole(0, MaxSteps))
    { Default = FlagValues.Invariant($"{Defaults.Steps}") };

    private static readonly Flag[] OfTask = [File, Context, Samples, Seed];

    public static FlagGroup[] Groups =>
    [
        new("Prompts", PromptFlags.Lines, PromptFlags.Files, PromptFlags.Tokens, PromptFlags.QuestionTokens, PromptFlags.IgnoreEnd),
        new("Task", [Task, .. OfTask]),
        new("Search", Target, By, Steps, Attention, ComparisonFlags.MinContext, ComparisonFlags.OneProtocol),
        new("Memory and processor", [ComparisonFlags.Batch, .. KvFlags.All, EngineFlags.KvMemory, EngineFlags.Threads]),
    ];

    private static ValueFlag<AttentionPolicy[]> Attention => new(
        "--attention",
        "Policies whose budgets are searched (kvasir policies lists them); options that are no budget are kept as typed; @FILE reads one",
        PolicyList.Value)
    { Default = "psa,guarded,magicpig,quest,alisa,h2o,streaming" };

    public static bool IsOfTask(TypedCommand typed) => typed.Has(Task);

    public static TuneOptions Options(TypedCommand typed) => new(typed.Get(Target), typed.Get(Steps), typed.Get(By) == Time);

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Has(Task))
            return PromptFlags.AreTyped(typed) ? "prompts and --task were given; one of them is allowed" : null;
        return Array.Find(OfTask, typed.Has) is { } needy ? $"{needy.Name} has a meaning with --task NAME only" : PromptFlags.Refusal(typed);
    }

    /// <summary>What is measured, with its files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged, empty, or no text, or the task is unknown.</exception>
    public static IReadOnlyList<PlannedTask> Tasks(TypedCommand typed)
    {
        if (typed.Find(Task) is { } name)
            return PlannedTask.Of(name, typed.Find(File));
        var (prompts, files) = PromptFlags.Read(typed);
        return [new AgreementTask(prompts, files, PromptFlags.Options(typed) with { MeasuresDivergence = false, DecodesAnswers = false })];
    }

    /// <param name="tasks">As <see cref="Tasks"/> made them.</param>
    public static EvaluationPlan Read(TypedCommand typed, IReadOnlyList<PlannedTask> tasks, Model model)
    {
        var native = model.Config.ContextTokens;
        var agreement = tasks[0] as AgreementTask;
        return PlanDefaults with
        {
            Tasks = tasks,
            Contexts = [agreement is null
                ? typed.FindValue(Context) ?? EvalFlags.DefaultLength(native)
                : Math.Clamp(agreement.LongestTokens(model), 1, native)],
            Policies = ComparisonFlags.WithMinContext(typed.Get(Attention), typed),
            Protocols = [typed.Get(ComparisonFlags.OneProtocol)],
            Samples = agreement?.SampleCount ?? typed.Get(Samples),
            Seed = typed.Get(Seed),
            BatchSequences = typed.Get(ComparisonFlags.Batch),
            Kv = KvFlags.Read(typed),
            KvMemoryBytes = typed.FindValue(EngineFlags.KvMemory) ?? 0,
            Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
        };
    }

    private static bool TryParseShare(string text, out double share)
    {
        var (digits, scale) = text.EndsWith('%') ? (text[..^1], 100.0) : (text, 1);
        var isNumber = double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out share);
        share /= scale;
        return isNumber && share is > 0 and <= 1;
    }
}
