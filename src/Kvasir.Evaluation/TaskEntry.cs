namespace Kvasir.Evaluation;

/// <summary>A row of <see cref="TaskCatalog"/>.</summary>
/// <param name="Name">As typed.</param>
/// <param name="Family">Tasks that are commonly run together share one, and can be asked for by it.</param>
/// <param name="Summary">One line for a list.</param>
/// <param name="Source">Where its rules come from.</param>
/// <param name="Create">Makes the task; the argument is the path of its file, and is empty where <see cref="Needs"/> is null.</param>
public sealed record TaskEntry(string Name, string Family, string Summary, string Source, Func<string, EvaluationTask> Create)
{
    /// <summary>What the task's file holds; null for a task that needs none.</summary>
    public string? Needs { get; init; }
}
