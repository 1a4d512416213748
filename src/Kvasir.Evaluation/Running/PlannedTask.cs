namespace Kvasir.Evaluation.Running;

/// <summary>A task that a plan runs.</summary>
/// <param name="Name">As in <see cref="TaskCatalog"/>.</param>
/// <param name="File">The file that it was made from; null for one that needs none.</param>
public sealed record PlannedTask(string Name, EvaluationTask Task, string? File = null)
{
    /// <summary>The task of a name, or the tasks of a family; those of a family that need a file are left out where none is given.</summary>
    /// <param name="file">For those that need one; null for none.</param>
    /// <exception cref="KvasirException">As <see cref="TaskCatalog.Find"/> and <see cref="TaskCatalog.Create"/>; or no task takes the file.</exception>
    public static IReadOnlyList<PlannedTask> Of(string name, string? file = null)
    {
        var entries = TaskCatalog.Find(name);
        if (file is not null && entries.All(static entry => entry.Needs is null))
            TaskCatalog.Create(entries[0].Name, file);
        var isFamily = entries.Count > 1 && entries.Any(static entry => entry.Needs is null);
        return [.. entries.Where(entry => !isFamily || entry.Needs is null || file is not null).Select(entry => Of(entry, entry.Needs is null ? null : file))];
    }

    private static PlannedTask Of(TaskEntry entry, string? file) => new(entry.Name, TaskCatalog.Create(entry.Name, file), file);
}
