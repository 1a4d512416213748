using Kvasir.Evaluation.Results;
using Kvasir.Evaluation.Running;

namespace Kvasir.Evaluation.LabelFree;

/// <summary>Windows of a text whose last tokens are fed under the policy, each of them predicting the next.</summary>
internal sealed class PerplexityBatch(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) : SampleBatch(engine, place, samples)
{
    protected override IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, PlannedSample[] chosen, CancellationToken cancellation)
    {
        TextLoss[] losses = Array.ConvertAll(chosen, static sample => new TextLoss(sample.Targets));
        TimedSequence[] timed = [.. chosen.Zip(losses, (sample, loss) => new TimedSequence(Open(sample, turn, [], new GenerationOptions
        {
            MaxTokens = 0,
            Sampling = SamplingOptions.Greedy with { Seed = (ulong)sample.Index },
            Logits = loss.Watch,
        })))];
        TimedSequence.RunAll(Engine, timed, cancellation);
        return [.. chosen.Select((sample, i) => Result(sample, turn, timed[i], losses[i].Score) with
        {
            Loss = losses[i].Loss,
            DecodeMs = Math.Max(0, timed[i].DecodeMs - losses[i].WatchMs),
        })];
    }
}
