using Kvasir.Evaluation.Files;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Evaluation;

/// <summary>Every task by name. The command line and the tests read this table.</summary>
public static class TaskCatalog
{
    internal const string Ruler = "ruler";

    internal const string RulerPaper = "Hsieh et al. 2024, RULER";

    private static readonly TaskEntry[] Table =
    [
        .. NiahTask.Entries,
        VariableTrackingTask.Entry,
        CountedWordsTask.Entry,
        CodedWordsTask.Entry,
        .. DocumentQuestionTask.Entries,
        PasskeyTask.Entry,
        .. NeedleModelTask.Entries,
        .. PromptFileTask.Entries,
    ];

    public static IReadOnlyList<TaskEntry> Entries => Table;

    /// <summary>The task of that name, or all tasks of the family of that name.</summary>
    /// <exception cref="KvasirException">There is neither; the message says what there is.</exception>
    public static IReadOnlyList<TaskEntry> Find(string name)
    {
        var found = Table.Where(entry => entry.Name == name).ToArray();
        if (found.Length == 0)
            found = [.. Table.Where(entry => entry.Family == name)];
        return found.Length > 0 ? found : throw new KvasirException(
            KvasirError.BadOption,
            $"task '{name}' is unknown; known: {string.Join(", ", Table.Select(entry => entry.Name))}; "
                + $"families: {string.Join(", ", Table.Select(entry => entry.Family).Distinct())}");
    }

    /// <summary>Makes a task.</summary>
    /// <param name="name">As in <see cref="Entries"/>.</param>
    /// <param name="file">The file that the task needs; null for one that needs none.</param>
    /// <exception cref="KvasirException">The name is unknown, a file is missing, damaged or empty, or was given in vain.</exception>
    public static EvaluationTask Create(string name, string? file = null)
    {
        var entry = Array.Find(Table, e => e.Name == name) ?? Find(name)[0];
        if (entry.Name != name)
            throw new KvasirException(KvasirError.BadOption, $"'{name}' is a family of tasks: {string.Join(", ", Find(name).Select(e => e.Name))}");
        if (entry.Needs is null && file is not null)
            throw new KvasirException(KvasirError.BadOption, $"task {name} takes no file; it was given {file}");
        if (entry.Needs is not null && file is null)
            throw new KvasirException(KvasirError.BadOption, $"task {name} needs a file: {entry.Needs}");
        return entry.Create(file ?? "");
    }
}
