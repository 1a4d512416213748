using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation;
using Kvasir.Evaluation.Running;

namespace Kvasir.Cli.Eval;

/// <summary>What <c>eval</c> evaluates.</summary>
internal static class EvalFlags
{
    private const int DefaultContext = 4096;
    private const int MaxSamples = 1_000_000;
    private static readonly EvaluationPlan Defaults = new() { Tasks = [], Contexts = [], Policies = [] };

    public static readonly Operand Tasks = new(
        "TASK",
        $"Tasks or families, with commas between: {string.Join(", ", TaskCatalog.Entries.Select(static entry => entry.Family).Distinct())}, "
        + $"{string.Join(", ", TaskCatalog.Entries.Select(static entry => entry.Name))}",
        new("TASK", "a task", TryParseTasks)
        {
            Choices = static () =>
            [
                .. TaskCatalog.Entries.Select(static entry => entry.Family).Concat(TaskCatalog.Entries.Select(static entry => entry.Name)).Distinct(),
            ],
        });

    public static readonly ValueFlag<string> File = new(
        "--file",
        "The file of tasks that need one: jsonl, longbench, qa_1, qa_2",
        FlagValues.Path)
    { Letter = "-f" };

    /// <summary>Lengths of samples.</summary>
    public static readonly ValueFlag<int[]> Contexts = new(
        "--context", "Tokens of prompt and answer, as 4096,16k", FlagValues.ListOf(FlagValues.Tokens, "a list of token counts such as 4096,16k"))
    {
        Otherwise = OrNative,
    };

    /// <summary>One length.</summary>
    public static readonly ValueFlag<int> Context = EngineFlags.Context with { Help = "Tokens of prompt and answer, as 4096 or 16k", Otherwise = OrNative };

    public static readonly ValueFlag<int> Samples = new(
        "--samples",
        "Of each task and length",
        FlagValues.Whole(1, MaxSamples))
    { Default = FlagValues.Invariant($"{Defaults.Samples}") };

    public static readonly ValueFlag<ulong> Seed = SamplingFlags.SeedOf("Of the samples: the same seed gives the same texts", Defaults.Seed);

    public static readonly FlagGroup Group = new("Samples", Contexts, Samples, Seed, File);

    private static string OrNative => FlagValues.Invariant($"{DefaultContext}, or the model's native window if that is less");

    /// <summary>The tasks, with their files read.</summary>
    /// <exception cref="KvasirException">A file is missing, damaged or empty, or given in vain.</exception>
    public static IReadOnlyList<PlannedTask> Planned(TypedCommand typed)
    {
        var (names, file) = (Names(typed.Get(Tasks)), typed.Find(File));
        var takers = names.Where(name => TaskCatalog.Find(name).Any(static entry => entry.Needs is not null)).ToHashSet();
        return
        [
            .. names.SelectMany(name => PlannedTask.Of(name, takers.Count == 0 || takers.Contains(name) ? file : null)).DistinctBy(static task => task.Name),
        ];
    }

    /// <summary>Tasks of the families that were asked for which need a file that was not given.</summary>
    public static IEnumerable<string> LeftOut(TypedCommand typed, IReadOnlyList<PlannedTask> tasks) =>
        Names(typed.Get(Tasks)).SelectMany(TaskCatalog.Find).Select(static entry => entry.Name).Distinct().Except(tasks.Select(static task => task.Name));

    public static EvaluationPlan Read(TypedCommand typed, IReadOnlyList<PlannedTask> tasks, int nativeTokens) => ComparisonFlags.Read(typed) with
    {
        Tasks = tasks,
        Contexts = Lengths(typed, nativeTokens),
        Samples = typed.Get(Samples),
        Seed = typed.Get(Seed),
    };

    /// <summary>The lengths that were typed, or the default.</summary>
    public static int[] Lengths(TypedCommand typed, int nativeTokens) => typed.Find(Contexts) ?? [DefaultLength(nativeTokens)];

    public static int DefaultLength(int nativeTokens) => Math.Min(DefaultContext, nativeTokens);

    private static string[] Names(string tasks) => [.. tasks.Split(',', StringSplitOptions.TrimEntries).Distinct()];

    // Unknown ones are refused by the catalogue, which lists the known.
    private static bool TryParseTasks(string text, out string tasks)
    {
        tasks = text;
        foreach (var name in Names(text))
            TaskCatalog.Find(name);
        return true;
    }
}
