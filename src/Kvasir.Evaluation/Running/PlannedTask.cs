namespace Kvasir.Evaluation.Running;

/// <summary>What a plan runs: where samples come from, and what is measured on them.</summary>
/// <param name="name">No two tasks of a plan share one.</param>
public abstract class PlannedTask(string name)
{
    public string Name { get; } = name;

    /// <summary>Paths of what it was made from.</summary>
    public virtual IReadOnlyList<string> Files => [];

    /// <summary>What its results depend on beside the files, in words; empty for nothing.</summary>
    public virtual string Settings => "";

    /// <summary>How many samples there are; null where any number can be generated.</summary>
    public abstract int? SampleCount { get; }

    /// <summary>The most samples that may be run side by side.</summary>
    /// <param name="vocabularySize">Of the model.</param>
    internal virtual int MostSideBySide(int vocabularySize) => int.MaxValue;

    /// <summary>A sample in words, for messages.</summary>
    internal virtual string Place(int index) => $"sample {index} of {(Files is [var file, ..] ? file : Name)}";

    /// <param name="context">Tokens that were asked for.</param>
    internal abstract PlannedSample Sample(Model model, int context, ulong seed, int index);

    internal abstract SampleBatch Open(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples);

    /// <summary>The task of a name, or the tasks of a family; those of a family that need a file are left out where none is given.</summary>
    /// <param name="file">For those that need one; null for none.</param>
    /// <exception cref="KvasirException">As <see cref="TaskCatalog.Find"/> and <see cref="TaskCatalog.Create"/>; or no task takes the file.</exception>
    public static IReadOnlyList<AnsweredTask> Of(string name, string? file = null)
    {
        var entries = TaskCatalog.Find(name);
        if (file is not null && entries.All(static entry => entry.Needs is null))
            TaskCatalog.Create(entries[0].Name, file);
        var isFamily = entries.Count > 1 && entries.Any(static entry => entry.Needs is null);
        return [.. entries.Where(entry => !isFamily || entry.Needs is null || file is not null).Select(entry => Of(entry, entry.Needs is null ? null : file))];
    }

    private static AnsweredTask Of(TaskEntry entry, string? file) => new(entry.Name, TaskCatalog.Create(entry.Name, file), file);
}
