using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Forward;

/// <summary>
/// The one way in which tokens are computed: rows of sequences are put into <see cref="Batch"/>, run through the model, and are in the cache afterwards. What
/// goes in, and what
/// becomes of the logits, is the caller's affair: the engine has a scheduler and samplers, a probe has neither.
/// </summary>
internal sealed class ForwardPass : IDisposable
{
    private readonly Transformer _transformer;
    private readonly EditJob _edits;

    /// <param name="cache">Where rows go; owned by the caller, as the workers are.</param>
    /// <param name="batch">Rows, segments and logit rows that a pass may have.</param>
    /// <param name="maxTokens">The longest sequence.</param>
    /// <exception cref="OutOfMemoryException">The scratch does not fit into the machine's memory.</exception>
    public ForwardPass(Model model, KvCache cache, WorkerPool workers, Batch batch, int maxTokens)
    {
        (Cache, Workers, Batch) = (cache, workers, batch);
        Shared = new SharedIndexes(model.Config.Attention, cache.Pool);
        Indexing = new IndexJob(model.Config.Attention, workers, batch.MaxSegments, batch.MaxRows);
        _transformer = new Transformer(model.Config, model.Weights, cache.Pool.Layout.Format, workers, batch, maxTokens);
        _edits = new EditJob(_transformer.Shape, workers.WorkerCount, batch.MaxSegments);
    }

    public AttentionShape Shape => _transformer.Shape;

    public KvCache Cache { get; }

    /// <summary>What the indexes of all sequences share.</summary>
    public SharedIndexes Shared { get; }

    /// <summary>Builds the indexes of sequences that wait for them.</summary>
    public IndexJob Indexing { get; }

    public WorkerPool Workers { get; }

    /// <summary>What the next <see cref="TryRun"/> computes, to be filled by the caller; or what the last one did.</summary>
    public Batch Batch { get; }

    /// <summary>Bytes of activations, scratch, and what says where pages are that may be on file: beside weights, rows and indexes.</summary>
    public long ScratchBytes => _transformer.ScratchBytes + Indexing.Bytes + Cache.Pool.TableBytes;

    /// <summary>Where the time of the last complete pass went.</summary>
    public StepTimings LastStep => _transformer.LastStep;

    /// <summary>[layers]: what generated tokens of the last complete pass read.</summary>
    public ReadOnlySpan<LayerReads> LastReads => _transformer.LastReads;

    /// <inheritdoc cref="Transformer.LayersComputed"/>
    public long LayersComputed => _transformer.LayersComputed;

    /// <inheritdoc cref="BatchAttention.Capture"/>
    public LayerCapture? Capture
    {
        set => _transformer.Capture = value;
    }

    /// <inheritdoc cref="BatchAttention.Change"/>
    public QueryChange? Change
    {
        set => _transformer.Change = value;
    }

    /// <summary>[vocabulary]: the <paramref name="index"/>-th logit row of the last batch.</summary>
    public Span<float> Logits(int index) => _transformer.Logits(index);

    /// <inheritdoc cref="Transformer.Hidden"/>
    public ReadOnlySpan<float> Hidden(int row) => _transformer.Hidden(row);

    /// <summary>An empty sequence whose first <paramref name="promptEnd"/> tokens are a prompt, for those who have no scheduler.</summary>
    /// <param name="cache">With room for <paramref name="maxRows"/>.</param>
    /// <param name="takeBack">How far generated rows will be taken back.</param>
    /// <exception cref="KvasirException">There is no memory for what the policy's indexes share.</exception>
    public SequenceAttention Open(
        SequenceCache cache, AttentionPolicy policy, int maxRows, int promptEnd, AttentionAudit? audit = null, TakeBackLimits takeBack = default)
    {
        policy = FullLayersPolicy.Of(policy, Shape);
        var attention = new SequenceAttention(policy, Shape, maxRows, audit, new Interruption(), takeBack);
        attention.MakeIndexes(Shared.TryTake(policy) ?? throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"the index of {policy.Name} takes {policy.SharedIndexBytes(Shape)} bytes, and {Cache.Pool.Memory.LeftBytes} of the KV memory are left"),
            promptEnd);
        attention.Begin(cache, promptEnd);
        return attention;
    }

    /// <summary>Computes the batch. False when nobody waits for it any more: every sequence was cancelled on the way, or ended by a fault of its own.</summary>
    public bool TryRun()
    {
        Cache.Pool.Placement?.BeginStep();
        if (!_transformer.Forward(Batch))
            return false;
        foreach (var segment in Batch.Segments)
            segment.Attention.Commit(segment);
        return true;
    }

    /// <summary>
    /// Computes one more row of each sequence by the weights that guess, reading the upper plane alone of rows in two: as <see cref="TryRun"/>, but that the
    /// rows are to be taken back.
    /// </summary>
    public bool TryDraft(Batch batch)
    {
        foreach (var segment in batch.Segments)
            segment.Attention.IsDraft = true;
        try
        {
            if (!_transformer.Forward(batch, isDraft: true))
                return false;
            foreach (var segment in batch.Segments)
                segment.Attention.Commit(segment);
            return true;
        }
        finally
        {
            foreach (var segment in batch.Segments)
                segment.Attention.IsDraft = false;
        }
    }

    /// <summary>Builds a sequence's index to its end.</summary>
    public void BuildIndex(SequenceAttention attention)
    {
        while (attention.IsIndexing && !attention.IsOver)
        {
            Indexing.Add(attention);
            Indexing.Run(isAlone: true);
        }
    }

    /// <summary>
    /// Asks a policy what it would drop of a prompt that is over, for who measures steps and keeps all rows: what is decided then, once, is no part of a step.
    /// </summary>
    public void AskToDrop(SequenceAttention attention)
    {
        if (attention.Policy.DropsRows)
            _edits.Ask(attention);
    }

    /// <summary>
    /// Has the sequences of the batch drop the rows that their policies give up: for the engine, when it has drawn tokens. Who measures keeps all rows.
    /// </summary>
    public void DropRows()
    {
        if (!_edits.Run(Workers, Batch))
            return;
        // What prompts have left behind goes back to the system.
        foreach (var segment in Batch.Segments)
        {
            if (segment.Attention.DropsRows)
                segment.Attention.Cache?.Gather();
        }

        Cache.Pool.Trim();
    }

    /// <summary>Computes the batch for callers that have nobody to tell but themselves, and builds what indexes lack.</summary>
    /// <returns>Where the time went.</returns>
    /// <exception cref="OperationCanceledException">A sequence was cancelled.</exception>
    /// <exception cref="KvasirException">Logits are no distribution.</exception>
    public StepTimings Run()
    {
        var start = Stopwatch.GetTimestamp();
        var isComplete = TryRun();
        foreach (var segment in Batch.Segments)
            BuildIndex(segment.Attention);
        var totalMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        foreach (var segment in Batch.Segments)
        {
            if (segment.Attention.Fault is { } fault)
                ExceptionDispatchInfo.Throw(fault);
        }

        if (!isComplete)
            throw new OperationCanceledException();
        // Behind the clock: time that numbers took which are none tells nothing of the model's.
        for (var i = 0; i < Batch.LogitRows.Length; i++)
            LogitRow.Largest(Logits(i), 0, Batch.Positions[Batch.LogitRows[i]]);
        return LastStep with { TotalMs = totalMs };
    }

    /// <summary>
    /// Computes the rest of a prompt, with the logits of its last token; pages must have been reserved. The first pass takes what does not fill a batch, so
    /// that the last has as
    /// many rows as it can.
    /// </summary>
    /// <param name="prompt">All of it; the cache has the first rows.</param>
    /// <param name="progress">Told after each pass how many rows the cache has.</param>
    /// <inheritdoc cref="Run"/>
    public StepTimings ComputePrompt(SequenceAttention attention, ReadOnlySpan<int> prompt, Action<int> progress, CancellationToken cancellation)
    {
        // A long pass ends early for a cancelled sequence.
        using var cancels = cancellation.UnsafeRegister(static attention => ((SequenceAttention)attention!).Cancel(), attention);
        var timings = default(StepTimings);
        while (attention.RowCount < prompt.Length)
        {
            var left = prompt.Length - attention.RowCount;
            var rows = left % Batch.MaxRows == 0 ? Batch.MaxRows : left % Batch.MaxRows;
            Batch.Clear();
            Batch.Add(attention, prompt.Slice(attention.RowCount, rows), rows == left ? 1 : 0);
            timings += Run();
            progress(attention.RowCount);
        }

        cancellation.ThrowIfCancellationRequested();
        return timings;
    }

    public void Dispose()
    {
        _transformer.Dispose();
        Indexing.Dispose();
        Shared.Dispose();
    }
}
