using Kvasir.Attention;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>Samples of one task and length under one protocol, ready to be run by any policy.</summary>
/// <param name="engine">Computes prompts first, and has memory for all samples at once.</param>
/// <param name="context">Tokens that were asked for.</param>
internal sealed class SampleBatch(Engine engine, string task, int context, Protocol protocol, IReadOnlyList<PlannedSample> samples)
{
    /// <summary>The share of sparse attention that is computed densely as well.</summary>
    public double AuditShare { get; init; }

    /// <summary>Runs those samples whose number <paramref name="wanted"/> accepts, side by side.</summary>
    /// <exception cref="KvasirException">The memory cannot be had after all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IReadOnlyList<EvaluatedSample> Run(AttentionPolicy policy, Func<int, bool> wanted, CancellationToken cancellation)
    {
        PlannedSample[] chosen = [.. samples.Where(sample => wanted(sample.Index))];
        TimedSequence[] timed = Array.ConvertAll(chosen, sample => new TimedSequence(Open(sample, policy)));
        TimedSequence.RunAll(engine, timed, cancellation);
        return [.. chosen.Zip(timed, (sample, one) => Result(sample, policy, one))];
    }

    private Sequence Open(PlannedSample sample, AttentionPolicy policy)
    {
        int[] tokens = [.. sample.Prompt.Tokens];
        // A sequence begins with a prompt, be it only the begin token.
        var dense = Math.Max(1, sample.Prompt.DenseTokens(protocol));
        return new Sequence(tokens.AsSpan(0, dense), new GenerationOptions
        {
            Attention = policy,
            AuditShare = AuditShare,
            GivenTokens = tokens.AsMemory(dense),
            MaxTokens = sample.Sample.AnswerTokens,
            Sampling = SamplingOptions.Greedy with { Seed = (ulong)sample.Index },
        });
    }

    private EvaluatedSample Result(PlannedSample planned, AttentionPolicy policy, TimedSequence timed)
    {
        var (answer, reads) = (Text(timed.Sequence), DecodeReads.Of(engine, timed.Sequence, policy));
        return new EvaluatedSample
        {
            Task = task,
            Context = context,
            PromptTokens = planned.Prompt.Tokens.Count,
            Protocol = protocol,
            Policy = policy.Name,
            Sample = planned.Index,
            Depth = planned.Sample.Depth,
            Score = planned.Sample.Score(answer),
            Answer = answer,
            Expected = planned.Sample.Answers,
            DecodedTokens = timed.Sequence.DecodedCount,
            KeysRead = reads.KeysRead,
            LayerKeysRead = reads.LayerKeysRead,
            MassKept = reads.MassKept,
            OutputError = reads.OutputError,
            BytesPerToken = reads.BytesPerToken,
            PromptMs = timed.PromptMs,
            DecodeMs = timed.DecodeMs,
        };
    }

    private static string Text(Sequence sequence)
    {
        var text = "";
        while (sequence.TryRead(out var piece))
            text += piece.Text;
        return text;
    }
}
