using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

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
