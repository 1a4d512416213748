using Kvasir.Attention;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>Samples of one task and length under one protocol, ready to be run by any policy.</summary>
/// <param name="engine">Computes prompts first, and has memory for all samples at once.</param>
internal abstract class SampleBatch(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples)
{
    protected Engine Engine { get; } = engine;

    protected BatchPlace Place { get; } = place;

    /// <summary>Runs those samples whose number <paramref name="wanted"/> accepts, side by side.</summary>
    /// <exception cref="KvasirException">The memory cannot be had after all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IReadOnlyList<EvaluatedSample> Run(AttentionPolicy policy, Func<int, bool> wanted, CancellationToken cancellation) =>
        Run(policy, [.. samples.Where(sample => wanted(sample.Index))], cancellation);

    /// <param name="chosen">Some of the samples.</param>
    protected abstract IReadOnlyList<EvaluatedSample> Run(AttentionPolicy policy, PlannedSample[] chosen, CancellationToken cancellation);

    /// <summary>A sequence whose prompt is what the protocol computes densely, and whose given tokens are the rest.</summary>
    /// <param name="more">Given behind those.</param>
    /// <param name="options">Completed by policy, audit and given tokens.</param>
    protected Sequence Open(PlannedSample sample, AttentionPolicy policy, ReadOnlySpan<int> more, GenerationOptions options)
    {
        int[] tokens = [.. sample.Prompt.Tokens, .. more];
        var dense = DenseTokens(sample);
        return new Sequence(tokens.AsSpan(0, dense), options with { Attention = policy, AuditShare = Place.AuditShare, GivenTokens = tokens.AsMemory(dense) });
    }

    /// <summary>Tokens of the prompt that are computed densely: a sequence begins with one at least, be it only the begin token.</summary>
    protected int DenseTokens(PlannedSample sample) => Math.Max(1, sample.Prompt.DenseTokens(Place.Protocol));

    /// <summary>What a sequence cost and read; nothing of what it was measured for but <paramref name="score"/>.</summary>
    protected EvaluatedSample Result(PlannedSample planned, AttentionPolicy policy, TimedSequence timed, double score)
    {
        var reads = DecodeReads.Of(Engine, timed.Sequence, policy);
        return new EvaluatedSample
        {
            Task = Place.Task,
            Context = Place.Context,
            PromptTokens = planned.Prompt.Tokens.Count,
            Protocol = Place.Protocol,
            Policy = policy.Name,
            Sample = planned.Index,
            Score = score,
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

    /// <summary>Its answer; for once.</summary>
    protected static string Text(Sequence sequence)
    {
        var text = "";
        while (sequence.TryRead(out var piece))
            text += piece.Text;
        return text;
    }
}
