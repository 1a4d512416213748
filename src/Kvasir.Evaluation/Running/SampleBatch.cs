using Kvasir.Attention;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>
/// Samples of one task and length, ready to be run by any policy. What is the same under all policies is computed once for a protocol, and once for all
/// questions about one text.
/// </summary>
/// <param name="engine">Computes prompts first, and has memory for all samples at once.</param>
/// <param name="samples">Numbered one behind another.</param>
internal abstract class SampleBatch(Engine engine, BatchPlace place, IReadOnlyList<PlannedSample> samples) : IDisposable
{
    private readonly DensePart?[] _parts = new DensePart?[samples.Count];

    protected Engine Engine { get; } = engine;

    /// <summary>How much of the common parts of the prompts is computed, from 0 to 1; from any thread.</summary>
    public double PromptShare
    {
        get
        {
            var (done, all) = (0L, 0L);
            foreach (var part in _parts)
            {
                done += part is null ? 0 : part.IsDone ? part.Prompt.TokenCount : part.Computed.Sequence.CachedCount;
                all += part?.Prompt.TokenCount ?? 0;
            }
            return all == 0 ? 1 : (double)done / all;
        }
    }

    /// <summary>
    /// Computes the common parts of the samples whose number <paramref name="wanted"/> accepts, side by side. Those of an earlier protocol stay where they fit.
    /// </summary>
    /// <exception cref="KvasirException">The memory cannot be had after all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Prepare(Protocol protocol, Func<int, bool> wanted, CancellationToken cancellation)
    {
        for (var i = 0; i < samples.Count; i++)
        {
            var tokens = wanted(samples[i].Index) ? DensePart.TokensOf(samples[i].Prompt, protocol, place.OwnTokens) : 0;
            if (_parts[i]?.Prompt.RowCount == tokens)
                continue;
            var old = _parts[i];
            _parts[i] = tokens == 0 ? null : SameText(i, tokens) ?? DensePart.Of(samples[i], tokens);
            if (old is not null && !_parts.Contains(old))
                old.Prompt.Release();
        }

        TimedSequence.RunAll(Engine, [.. from part in _parts.Distinct() where part is { IsDone: false } select part.Computed], cancellation);
    }

    /// <summary>Runs those samples whose number <paramref name="wanted"/> accepts, side by side.</summary>
    /// <inheritdoc cref="Prepare"/>
    public IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, Func<int, bool> wanted, CancellationToken cancellation) =>
        Run(turn, [.. samples.Where(sample => wanted(sample.Index))], cancellation);

    /// <summary>Gives the memory of the common parts back; they are computed again when they are wanted.</summary>
    public void Release()
    {
        foreach (var part in _parts)
            part?.Prompt.Release();
    }

    public void Dispose() => Release();

    /// <param name="chosen">Some of the samples.</param>
    protected abstract IReadOnlyList<EvaluatedSample> Run(BatchProtocol turn, PlannedSample[] chosen, CancellationToken cancellation);

    /// <summary>A sequence under the policy, whose prompt is what the protocol computes densely, and whose given tokens are the rest.</summary>
    /// <param name="more">Given behind those.</param>
    /// <param name="options">Completed by policy, audit and given tokens.</param>
    protected Sequence Open(PlannedSample sample, BatchProtocol turn, ReadOnlySpan<int> more, GenerationOptions options) =>
        Open(sample, DenseTokens(sample, turn.Protocol), more, options with { Attention = turn.Policy, AuditShare = place.AuditShare });

    /// <param name="denseTokens">Of the prompt, computed densely; the others are given.</param>
    /// <param name="more">Given behind those.</param>
    /// <param name="options">Completed by given tokens.</param>
    protected Sequence Open(PlannedSample sample, int denseTokens, ReadOnlySpan<int> more, GenerationOptions options)
    {
        int[] tokens = [.. sample.Prompt.Tokens, .. more];
        return new Sequence(tokens.AsSpan(0, denseTokens), options with { GivenTokens = tokens.AsMemory(denseTokens) }) { Shared = Part(sample)?.Prompt };
    }

    /// <summary>Tokens of the prompt that are computed densely: a sequence begins with one at least, be it only the begin token.</summary>
    protected static int DenseTokens(PlannedSample sample, Protocol protocol) => Math.Max(1, sample.Prompt.DenseTokens(protocol));

    /// <summary>Tokens of the prompt that all policies share now.</summary>
    protected int SharedTokens(PlannedSample sample) => Part(sample)?.Prompt.TokenCount ?? 0;

    /// <summary>What a sequence cost and read; nothing of what it was measured for but <paramref name="score"/>.</summary>
    protected EvaluatedSample Result(PlannedSample planned, BatchProtocol turn, TimedSequence timed, double score)
    {
        var reads = DecodeReads.Of(Engine, timed.Sequence, turn.Policy);
        return new EvaluatedSample
        {
            Task = place.Task,
            Context = place.Context,
            PromptTokens = planned.Prompt.Tokens.Count,
            Protocol = turn.Protocol,
            Policy = turn.Policy.Name,
            Sample = planned.Index,
            Score = score,
            DecodedTokens = timed.Sequence.DecodedCount,
            KeysRead = reads.KeysRead,
            LayerKeysRead = reads.LayerKeysRead,
            MassKept = reads.MassKept,
            OutputError = reads.OutputError,
            BytesPerToken = reads.BytesPerToken,
            PromptMs = timed.PromptMs + (Part(planned)?.PromptMs(timed.Sequence.CachedTokens) ?? 0),
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

    // What an earlier sample begins with that is about the same text.
    private DensePart? SameText(int index, int tokenCount)
    {
        for (var i = 0; i < index; i++)
        {
            if (_parts[i] is { } part && part.Prompt.TokenCount == tokenCount && (part.Prompt.RowCount == tokenCount || !part.IsDone)
                && part.Begins(samples[index]))
                return part;
        }

        return null;
    }

    private DensePart? Part(PlannedSample sample) => _parts[sample.Index - samples[0].Index];
}

/// <summary>What the samples of a batch share.</summary>
/// <param name="Context">Tokens that were asked for.</param>
/// <param name="AuditShare">The share of sparse attention that is computed densely as well.</param>
/// <param name="OwnTokens">Of each prompt, so many tokens at least are computed under every policy anew.</param>
internal sealed record BatchPlace(string Task, int Context, double AuditShare, int OwnTokens);

/// <summary>How samples of a batch are run: what is computed densely, and the policy of the rest.</summary>
internal readonly record struct BatchProtocol(Protocol Protocol, AttentionPolicy Policy);
