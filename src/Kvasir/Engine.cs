using System.Diagnostics;
using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;
using Kvasir.Models;

namespace Kvasir;

/// <summary>
/// Owns the cache and the one compute loop over a model. One thread submits and steps; see <see cref="EngineLoop"/> for an engine
/// with a thread of its own.
/// </summary>
public sealed class Engine : IDisposable
{
    private readonly EngineOptions _options;
    private readonly AttentionPolicy _policy;
    private readonly WorkerPool _pool;
    private readonly KvCache _cache;
    private readonly Transformer _transformer;
    private readonly Scheduler _scheduler;
    private readonly Batch _batch;
    private readonly AttentionMeter _meter;

    /// <param name="model">Must outlive the engine.</param>
    /// <exception cref="KvasirException">An option is out of range, or the KV memory does not hold one page of every head.</exception>
    public Engine(Model model, EngineOptions? options = null)
    {
        Model = model;
        _options = options ?? new EngineOptions();
        _options.Validate();
        var config = model.Config;
        _policy = PolicyCatalog.Parse(_options.Attention);
        _policy.RequireFits(new AttentionShape(config.LayerCount, config.HeadCount, config.KvHeadCount, config.HeadDim, config.SlidingWindowTokens));
        ContextTokens = _options.ContextTokens == 0 ? config.ContextTokens : _options.ContextTokens;
        var memoryBytes = _options.KvMemoryBytes == 0 ? Math.Max(ResidentMemory.AvailableBytes() / 2, 1 << 20) : _options.KvMemoryBytes;
        _cache = new KvCache(_options.Kv, config.LayerCount, config.KvHeadCount, config.HeadDim, memoryBytes);
        _pool = new WorkerPool(_options.Threads == 0 ? ProcessorTopology.PhysicalCpus().Length : _options.Threads, pinned: _options.Threads == 0);
        _batch = new Batch(_options.BatchTokens, _options.MaxSequences, _options.MaxSequences);
        _transformer = new Transformer(config, model.Weights, _options.Kv, _pool, _batch, ContextTokens);
        _scheduler = new Scheduler(_cache, _transformer.Shape, _options);
        _meter = new AttentionMeter();
        Plan = new MemoryPlan(
            model.Weights.Bytes, model.Weights.PackedBytes, _cache.BytesPerToken, (long)Math.Ceiling(_policy.IndexBytesPerToken(config.HeadDim) * _cache.HeadCount),
            memoryBytes, _cache.TokenLimit, ContextTokens, _transformer.ScratchBytes)
        { OpenPageBytes = _options.MaxSequences * _cache.OpenPageBytes };
    }

    public Model Model { get; }

    public MemoryPlan Plan { get; }

    /// <summary>The most tokens of a sequence, prompt and answer.</summary>
    public int ContextTokens { get; }

    public int ThreadCount => _pool.WorkerCount;

    /// <summary>The policy of sequences that name none.</summary>
    public AttentionPolicy Policy => _policy;

    /// <summary>How the policy was chosen, where nobody named one.</summary>
    public AutoChoice? Auto => _options.Auto;

    /// <summary>How keys and values are stored.</summary>
    public KvType Kv => _options.Kv;

    /// <summary>Sequences that wait.</summary>
    public int WaitingCount => _scheduler.WaitingCount;

    /// <summary>Sequences that compute.</summary>
    public int RunningCount => _scheduler.RunningCount;

    /// <summary>Bytes of cache pages in use.</summary>
    public long KvBytesInUse => (long)_cache.Pool.PagesInUse * _cache.Pool.PageBytes;

    /// <summary>Where the time of the last <see cref="Step"/> that computed something went.</summary>
    public StepTimings LastStep { get; private set; }

    /// <summary>[layers]: what generated tokens read in that <see cref="Step"/>; to be looked at before the next.</summary>
    public ReadOnlySpan<LayerReads> LastStepLayers => _transformer.LastReads;

    internal KvCache Cache => _cache;

    internal Transformer Transformer => _transformer;

    internal Batch Batch => _batch;

    internal WorkerPool Pool => _pool;

    /// <summary>Accepts a request; <see cref="Step"/> computes it.</summary>
    /// <exception cref="KvasirException">
    /// The prompt is empty, it or what is given has an unknown token or does not fit the context or the KV memory; an option is out of range; the queue is full.
    /// </exception>
    public void Submit(Sequence sequence)
    {
        var options = sequence.Options;
        options.Validate(Model.Config.VocabularySize);
        options.Attention?.RequireFits(_transformer.Shape);
        ValidatePrompt(sequence);
        ValidateShared(sequence);
        var limit = Math.Min((long)ContextTokens, sequence.AnswerStart + (long)(options.MaxTokens ?? int.MaxValue));
        var (policy, sampler) = (options.Attention ?? _policy, new Sampler(options.Sampling, options.TopLogprobs, Model.Config.VocabularySize));
        sequence.Accept((int)limit, policy, sampler, Audit(options.AuditShare ?? _options.AuditShare, policy, sampler.Seed));
        if (!_scheduler.TryEnqueue(sequence))
            throw new KvasirException(KvasirError.QueueFull, $"{_options.QueueLimit} sequences are waiting, and the queue holds no more");
    }

    /// <summary>Computes one step for every running sequence. False when there was nothing to compute.</summary>
    public bool Step()
    {
        var start = Stopwatch.GetTimestamp();
        _scheduler.Next(_batch);
        if (_batch.RowCount == 0)
            return _scheduler.RunningCount + _scheduler.WaitingCount > 0;
        if (!_transformer.Forward(_batch))
            return true;
        Commit();
        LastStep = _transformer.LastStep with { TotalMs = Stopwatch.GetElapsedTime(start).TotalMilliseconds };
        return true;
    }

    /// <summary>Checks that every page of the pool is either free or in use, once.</summary>
    public void Verify() => _cache.Pool.Verify();

    /// <summary>An audit for one sequence; null for a share of 0.</summary>
    internal AttentionAudit? Audit(double share, AttentionPolicy policy, ulong seed) =>
        share == 0 ? null : new AttentionAudit(share, seed, _transformer.Shape, policy.Name, _meter);

    /// <summary>Ends every sequence with <paramref name="failure"/>.</summary>
    internal void FailAll(KvasirException failure) => _scheduler.FailAll(failure);

    public void Dispose()
    {
        _scheduler.FailAll(new KvasirException(KvasirError.Closed, "the engine was closed"));
        _pool.Dispose();
        _transformer.Dispose();
        _cache.Dispose();
        _meter.Dispose();
    }

    private void ValidatePrompt(Sequence sequence)
    {
        var given = sequence.Options.GivenTokens;
        if (sequence.PromptCount == 0)
            throw new KvasirException(KvasirError.BadOption, "the prompt has no token");
        ValidateTokens(sequence.Tokens, "the prompt has");
        ValidateTokens(given.Span, "the given tokens have");
        // A last token that nothing follows is computed all the same, and a generated one is not.
        var needed = (long)sequence.AnswerStart + (sequence.Options.MaxTokens == 0 ? 0 : 1);
        var what = given.IsEmpty ? $"the prompt of {sequence.PromptCount} tokens" : $"the prompt of {sequence.PromptCount} tokens with {given.Length} given behind it";
        if (needed > ContextTokens)
            throw new KvasirException(KvasirError.ContextExceeded, $"{what} leaves no room in the context of {ContextTokens}");
        if (needed > _cache.TokenLimit)
        {
            throw new KvasirException(
                KvasirError.KvMemoryExceeded,
                $"{what} needs {needed * _cache.BytesPerToken} bytes of KV memory, and the limit of {Plan.KvMemoryBytes} bytes holds {_cache.TokenLimit} tokens");
        }
    }

    private static void ValidateShared(Sequence sequence)
    {
        if (sequence.Shared is { } shared && !shared.Begins(sequence.Tokens))
            throw new KvasirException(KvasirError.BadOption, $"the prompt of {sequence.PromptCount} tokens does not begin with the {shared.TokenCount} that are shared");
    }

    private void ValidateTokens(ReadOnlySpan<int> tokens, string subject)
    {
        foreach (var token in tokens)
        {
            if ((uint)token >= (uint)Model.Config.VocabularySize)
                throw new KvasirException(KvasirError.BadOption, $"{subject} token {token}, but the vocabulary has {Model.Config.VocabularySize}");
        }
    }

    private void Commit()
    {
        var logitIndex = 0;
        foreach (var segment in _batch.Segments)
        {
            var sequence = segment.Sequence;
            sequence.CommitRows(segment.RowCount);
            if (sequence.CachedCount < sequence.TokenCount)
                continue;
            var finish = CommitToken(sequence, _transformer.Logits(logitIndex++));
            if (finish == FinishReason.None)
                continue;
            _scheduler.Remove(sequence);
            sequence.End(finish);
        }
    }

    private FinishReason CommitToken(Sequence sequence, Span<float> logits)
    {
        var step = sequence.TokenCount - sequence.PromptCount;
        var largest = LogitRow.Largest(logits, step, sequence.TokenCount - 1);
        sequence.Options.Logits?.Invoke(step, logits);
        if (sequence.TryCommitGiven())
            return FinishReason.None;
        if (sequence.Options.MaxTokens == 0)
            return FinishReason.Length;
        var sampled = sequence.Sampler!.Pick(logits, largest, sequence.Tokens, sequence.AnswerStart);
        if (Model.Tokenizer.IsEnd(sampled.Token) && !sequence.Options.IgnoreEnd)
            return FinishReason.End;
        if (sequence.CommitToken(sampled.Token, Model.Tokenizer.Bytes(sampled.Token), sampled))
            return FinishReason.Stop;
        if (sequence.TokenCount < sequence.TokenLimit)
            return FinishReason.None;
        return sequence.GeneratedCount == sequence.Options.MaxTokens ? FinishReason.Length : FinishReason.ContextFull;
    }
}
