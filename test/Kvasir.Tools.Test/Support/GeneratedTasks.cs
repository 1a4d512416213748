using Kvasir.Evaluation;

namespace Kvasir.Tools.Test.Support;

/// <summary>All tasks whose texts are made to a length.</summary>
internal static class GeneratedTasks
{
    public static string[] Names { get; } = [.. TaskCatalog.Entries.Where(entry => entry.Family != "file").Select(entry => entry.Name)];

    /// <param name="name">Of the task.</param>
    /// <param name="questions">The path of a <see cref="QuestionFile"/>, for tasks that need one.</param>
    public static EvaluationTask Create(string name, string questions) => TaskCatalog.Create(name, TaskCatalog.Find(name)[0].Needs is null ? null : questions);
}
