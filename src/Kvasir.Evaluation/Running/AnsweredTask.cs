namespace Kvasir.Evaluation.Running;

/// <summary>Questions that a model answers, and rules that score its answers.</summary>
/// <param name="name">As in <see cref="TaskCatalog"/>.</param>
/// <param name="file">The file that it was made from; null for one that needs none.</param>
public sealed class AnsweredTask(string name, EvaluationTask task, string? file = null) : PlannedTask(name)
{
    public EvaluationTask Task { get; } = task;

    public override IReadOnlyList<string> Files { get; } = file is null ? [] : [file];

    public override int? SampleCount => Task.SampleCount;

    internal override PlannedSample Sample(Model model, int context, ulong seed, int index)
    {
        var sample = Task.Generate(new SampleRequest(model.Tokenizer, context, seed, index));
        return new PlannedSample(index, PromptTokens.Of(model.Tokenizer, sample), sample.AnswerTokens) { Text = sample };
    }

    internal override SampleBatch Open(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) => new AnswerBatch(engine, place, samples);
}
