namespace Kvasir.Evaluation.Running;

/// <summary>
/// The samples of a plan. Those of files are made at once, as they are as long as they are, and kept; others batch by batch, when they are needed.
/// </summary>
internal sealed class SampleStore(Model model, EvaluationPlan plan)
{
    private readonly Dictionary<(string Task, int Context, int Index), PlannedSample> _kept = [];

    /// <summary>
    /// The tokens of the longest sample with its answer, or the longest length that was asked for. Where texts are made, one tells whether a length is enough.
    /// </summary>
    /// <param name="made">Told the task, and how many of its samples at one length are made.</param>
    /// <exception cref="KvasirException">A sample cannot be made, or is beyond the model's context.</exception>
    public int LongestTokens(Action<PlannedTask, int>? made = null, CancellationToken cancellation = default)
    {
        var longest = plan.Contexts.Max();
        if (longest > model.Config.ContextTokens)
            throw new KvasirException(
                KvasirError.ContextExceeded, $"a context of {longest} tokens is beyond the {model.Config.ContextTokens} that {model.Config.Name} was made for");
        foreach (var task in plan.Tasks)
        {
            foreach (var context in plan.Contexts)
            {
                for (var i = 0; i < (task.SampleCount is null ? 1 : plan.SamplesOf(task)); i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    longest = Math.Max(longest, Checked(task, _kept[(task.Name, context, i)] = task.Sample(model, context, plan.Seed, i)));
                    made?.Invoke(task, i + 1);
                }
            }
        }

        return longest;
    }

    /// <summary>One that was made before, or a new one.</summary>
    public PlannedSample Take(PlannedTask task, int context, int index) =>
        _kept.TryGetValue((task.Name, context, index), out var sample) ? sample : task.Sample(model, context, plan.Seed, index);

    private int Checked(PlannedTask task, PlannedSample sample) =>
        sample.TokenLimit <= model.Config.ContextTokens ? sample.TokenLimit : throw new KvasirException(
            KvasirError.ContextExceeded,
            $"{task.Place(sample.Index)} takes {sample.TokenLimit} tokens with its answer, "
                + $"beyond the {model.Config.ContextTokens} that {model.Config.Name} was made for");
}
