using Kvasir.Attention;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>Samples of one task and length, ready to be run by any policy. What is the same under all policies is computed once for a protocol.</summary>
/// <param name="engine">Computes prompts first, and has memory for all samples at once.</param>
/// <param name="context">Tokens that were asked for.</param>
internal sealed class SampleBatch(Engine engine, string task, int context, IReadOnlyList<PlannedSample> samples) : IDisposable
{
    private readonly DensePart?[] _parts = new DensePart?[samples.Count];

    /// <summary>The share of sparse attention that is computed densely as well.</summary>
    public double AuditShare { get; init; }

    /// <summary>Of each prompt, so many tokens at least are computed under every policy anew: as many as one of them observes.</summary>
    public int OwnTokens { get; init; } = DensePart.LeastOwnTokens;

    /// <summary>How much of the common parts of the prompts is computed, from 0 to 1; from any thread.</summary>
    public double PromptShare
    {
        get
        {
            var (done, all) = (0L, 0L);
            foreach (var part in _parts)
                (done, all) = (done + (part is null ? 0 : part.IsDone ? part.Prompt.TokenCount : part.Computed.Sequence.CachedCount), all + (part?.Prompt.TokenCount ?? 0));
            return all == 0 ? 1 : (double)done / all;
        }
    }

    /// <summary>Computes the common parts of the samples whose number <paramref name="wanted"/> accepts, side by side. Those of an earlier protocol stay where they fit.</summary>
    /// <exception cref="KvasirException">The memory cannot be had after all.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Prepare(Protocol protocol, Func<int, bool> wanted, CancellationToken cancellation)
    {
        for (var i = 0; i < samples.Count; i++)
        {
            var tokens = wanted(samples[i].Index) ? DensePart.TokensOf(samples[i].Prompt, protocol, OwnTokens) : 0;
            if (_parts[i]?.Prompt.RowCount == tokens)
                continue;
            _parts[i]?.Prompt.Release();
            _parts[i] = DensePart.Of(samples[i], tokens);
        }

        TimedSequence.RunAll(engine, [.. from part in _parts where part is { IsDone: false } select part.Computed], cancellation);
    }

    /// <summary>Runs those samples whose number <paramref name="wanted"/> accepts, side by side.</summary>
    /// <inheritdoc cref="Prepare"/>
    public IReadOnlyList<EvaluatedSample> Run(Protocol protocol, AttentionPolicy policy, Func<int, bool> wanted, CancellationToken cancellation)
    {
        int[] chosen = [.. Enumerable.Range(0, samples.Count).Where(index => wanted(samples[index].Index))];
        TimedSequence[] timed = Array.ConvertAll(chosen, index => new TimedSequence(Open(index, protocol, policy)));
        TimedSequence.RunAll(engine, timed, cancellation);
        return [.. chosen.Zip(timed, (index, one) => Result(index, protocol, policy, one))];
    }

    public void Dispose()
    {
        foreach (var part in _parts)
            part?.Prompt.Release();
    }

    private Sequence Open(int index, Protocol protocol, AttentionPolicy policy)
    {
        var sample = samples[index];
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
        })
        { Shared = _parts[index]?.Prompt };
    }

    private EvaluatedSample Result(int index, Protocol protocol, AttentionPolicy policy, TimedSequence timed)
    {
        var (planned, part) = (samples[index], timed.Sequence.ReusedCount > 0 ? _parts[index] : null);
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
            PromptMs = timed.PromptMs + (part?.Computed.PromptMs ?? 0),
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
