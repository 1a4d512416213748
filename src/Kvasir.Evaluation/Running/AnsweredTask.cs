using Kvasir.Evaluation.Results;

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

/// <summary>Questions that are answered greedily, and whose answers are scored.</summary>
internal sealed class AnswerBatch(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) : SampleBatch(engine, place, samples)
{
    protected override IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, PlannedSample[] chosen, CancellationToken cancellation)
    {
        TimedSequence[] timed = Array.ConvertAll(chosen, sample => new TimedSequence(Open(sample, turn, [], new GenerationOptions
        {
            MaxTokens = sample.AnswerTokens,
            Sampling = SamplingOptions.Greedy with { Seed = (ulong)sample.Index },
        })));
        TimedSequence.RunAll(Engine, timed, cancellation);
        return [.. chosen.Zip(timed, (sample, one) => Scored(sample, turn, one))];
    }

    private EvaluatedSample Scored(PlannedSample planned, BatchProtocol turn, TimedSequence timed)
    {
        var (sample, answer) = (planned.Text!, Text(timed.Sequence));
        return Result(planned, turn, timed, sample.Score(answer)) with { Depth = sample.Depth, Answer = answer, Expected = sample.Answers };
    }
}
