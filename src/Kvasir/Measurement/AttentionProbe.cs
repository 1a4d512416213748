using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;
using Kvasir.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Measurement;

/// <summary>
/// Computes a prompt densely, and on the way lets policies attend its last positions, for what each would have read and lost. The engine may have no
/// sequences of its own meanwhile.
/// </summary>
public sealed class AttentionProbe
{
    private readonly Engine _engine;
    private readonly AttentionPolicy[] _policies;
    private readonly int _queryCount;
    private int _doneTokens;
    private int _doneLayers;

    /// <param name="engine">Without sequences. Its batch takes in the queries and the prompt rows that policies observe.</param>
    /// <param name="policies">At least one.</param>
    /// <param name="queryCount">Positions at the prompt's end that are attended by each policy, at least 1.</param>
    /// <exception cref="KvasirException">A policy does not fit the model, or observes more prompt rows than fit the engine's batch.</exception>
    public AttentionProbe(Engine engine, IReadOnlyList<AttentionPolicy> policies, int queryCount)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentOutOfRangeException.ThrowIfNotEqual(engine.RunningCount + engine.WaitingCount, 0, nameof(engine));
        ArgumentOutOfRangeException.ThrowIfLessThan(policies.Count, 1, nameof(policies));
        ArgumentOutOfRangeException.ThrowIfLessThan(queryCount, 1);
        var shape = engine.Model.Config.Attention;
        (_engine, _policies, _queryCount) = (engine, [.. policies.Select(policy => FullLayersPolicy.Of(policy, shape))], queryCount);
        using var use = engine.Use();
        var maxRows = use.Pass.Batch.MaxRows;
        foreach (var policy in _policies)
        {
            policy.RequireFits(use.Pass.Shape);
            if (queryCount + policy.ObservedPromptRows > maxRows)
            {
                throw new KvasirException(
                    KvasirError.BadOption,
                    $"{queryCount} queries and the {policy.ObservedPromptRows} prompt tokens that "
                        + $"'{policy.Name}' observes are more than the {maxRows} tokens of a batch");
            }
        }
    }

    /// <summary>Tokens of the prompt that are computed; from any thread.</summary>
    public int DoneTokens => Volatile.Read(ref _doneTokens);

    /// <summary>Layers that are studied, which is done with the prompt's last tokens; from any thread.</summary>
    public int DoneLayers => Volatile.Read(ref _doneLayers);

    /// <exception cref="KvasirException">The prompt is too short, or does not fit the context or the KV memory, or has an unknown token.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public AttentionStudy Run(ReadOnlySpan<int> prompt, CancellationToken cancellation = default)
    {
        using var use = _engine.Use();
        RequireFits(prompt);
        var (pass, length) = (use.Pass, prompt.Length);
        var cache = pass.Cache.Open(length);
        if (!cache.TryReserve(length))
        {
            cache.Close();
            throw new KvasirException(
                KvasirError.KvMemoryExceeded,
                $"the KV memory of {MessageText.Count(_engine.Plan.KvMemoryBytes, "byte")} does not hold the prompt's {length} tokens");
        }

        using var study = new LayerStudy(pass.Shape, _engine.Kv, _policies, _engine.ThreadCount, length, _queryCount);
        pass.Capture = (batch, layer, queries) => Capture(study, pass.Workers, batch, (layer, length), queries);
        try
        {
            var attention = pass.Open(cache, PolicyCatalog.Dense, length, length);
            pass.ComputePrompt(attention, prompt, rows => Volatile.Write(ref _doneTokens, rows), cancellation);
        }
        finally
        {
            pass.Capture = null;
            cache.Close();
        }

        return study.Result;
    }

    private void RequireFits(ReadOnlySpan<int> prompt)
    {
        if (prompt.Length <= _queryCount)
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"the prompt of {prompt.Length} tokens is too short for {_queryCount} queries; "
                    + $"they need {_queryCount + 1} tokens, and sparse policies far more");
        }

        if (prompt.Length > _engine.ContextTokens)
            throw new KvasirException(
                KvasirError.ContextExceeded, $"the prompt of {prompt.Length} tokens is longer than the context of {_engine.ContextTokens}");
        foreach (var token in prompt)
        {
            if ((uint)token >= (uint)_engine.Model.Config.VocabularySize)
                throw new KvasirException(KvasirError.BadOption, $"the prompt has token {token}, but the vocabulary has {_engine.Model.Config.VocabularySize}");
        }
    }

    private void Capture(LayerStudy study, WorkerPool workers, Batch batch, (int Layer, int Tokens) at, NativeView queries)
    {
        var segment = batch.Segments[0];
        if (segment.EndPosition < at.Tokens)
            return;
        study.Run(workers, segment.Attention.Cache!, at.Layer, queries, segment.FirstPosition);
        Volatile.Write(ref _doneLayers, at.Layer + 1);
    }
}
