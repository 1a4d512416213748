using System.Diagnostics;
using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Forward;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;
using Kvasir.Models.Configs;
using Kvasir.Requests;
using Kvasir.Requests.Scheduling;
using Kvasir.Sampling;

namespace Kvasir;

/// <summary>
/// Owns the cache and the one compute loop over a model. One thread submits and steps; see <see cref="EngineLoop"/> for an engine
/// with a thread of its own. Any thread may dispose the engine, or its model, at any time: a step in progress ends, what it reads is freed after it, sequences
/// that have no end yet fail, and what is called afterwards throws <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class Engine : IDisposable
{
    private readonly EngineOptions _options;
    private readonly AttentionPolicy _policy;
    private readonly WorkerPool _pool;
    private readonly MemoryBudget _memory;
    private readonly KvCache _cache;
    private readonly ForwardPass _pass;
    private readonly Scheduler _scheduler;
    private readonly StoredPrefixes _stored;
    private readonly PrefixReuse _prefixes;
    private readonly KvFiles _files;
    private readonly EngineStep _step;
    private readonly RequestLimits _limits;
    private readonly int _mostTokens;
    private readonly UseCount _uses = new();
    private int _stepping;

    /// <param name="model">Shared with other engines, and disposed by whoever loaded it.</param>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    /// <exception cref="KvasirException">An option is out of range, or there is no memory for the scratch or for one page of every head.</exception>
    public Engine(Model model, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ObjectDisposedException.ThrowIf(model.Weights.IsDisposed, model);
        Model = model;
        _options = options ?? new EngineOptions();
        _options.RequireFits(model.Weights);
        var config = model.Config;
        _policy = FullLayersPolicy.Of(_options.Attention, config.Attention);
        _policy.RequireFits(config.Attention, _options.HasKvFiles);
        ContextTokens = config.ContextOf(_options.ContextTokens);
        // More than the machine has cannot be kept, whatever is allowed.
        var sharedBytes = _options.Memory?.LimitBytes ?? ResidentMemory.TotalBytes();
        var askedBytes = _options.KvMemoryBytes == 0
            ? _options.Memory?.LimitBytes ?? Math.Max(ResidentMemory.AvailableBytes() / 2, 1 << 20)
            : _options.KvMemoryBytes;
        _memory = new MemoryBudget(Math.Min(askedBytes, sharedBytes), _options.Memory);
        _cache = _options.NewCache(config.Attention, _memory);
        _pool = _options.Workers
            ?? new WorkerPool(_options.Threads == 0 ? ProcessorTopology.PhysicalCpus().Length : _options.Threads, pinned: _options.Threads == 0);
        _mostTokens = MostTokens(config);
        _pass = NewPass(model);
        // Of a budget that is shared, scratch is a part.
        var kvBytes = Math.Min(_memory.LimitBytes, _options.Memory?.LimitBytes ?? long.MaxValue) - _pass.ScratchBytes;
        var bytes = new SequenceBytes(_cache, config.Attention, kvBytes);
        var pinned = new PinnedPrefixes(_cache.Prefixes, (long)(kvBytes * _options.PinnedShare), _options.Time);
        _cache.Prefixes.Bound((long)(kvBytes * _options.KeptShare));
        _stored = new StoredPrefixes(_cache, model, _options);
        _prefixes = new PrefixReuse(_cache, model, _options, pinned, _stored, _mostTokens);
        _files = new KvFiles(_cache, model, _options.PrefixCache == true ? _prefixes : null, _policy);
        _scheduler = new Scheduler(_cache, _pass.Shared, new Admission(_cache, _pass.Shared, _prefixes, _stored), bytes, _stored, _options);
        _step = new EngineStep(_pass, _scheduler, (new(_pass, model.Tokenizer), DraftSteps.For(_pass, model, _options)), _prefixes, _memory, _options.Time);
        _limits = new RequestLimits(config.VocabularySize, ContextTokens, _cache, bytes) { HasDraft = model.Weights.Draft is not null };
        Plan = new MemoryPlan(
            model.Weights.Bytes, model.Weights.PackedBytes, _cache.BytesPerToken,
            (long)Math.Ceiling(_policy.IndexBytesPerToken(config.HeadDim) * _cache.FullHeadCount),
            kvBytes, bytes.TokensThatFit(_policy), ContextTokens, _pass.ScratchBytes)
        {
            WindowBytes = _cache.WindowBytes,
            KvRowBytes = (double)_cache.Pool.PageBytes / PagePool.PageTokens,
            Experts = model.Weights.Experts,
            OpenPageBytes = _cache.OpenPageBytes,
            DraftBytes = model.Weights.DraftBytes,
            Streamed = model.Weights.Streamed,
            KvDiskBytes = _cache.DiskBytes,
            WhyDiskIsCached = _cache.Pool.Placement?.Store.WhyCached,
            KeptBytes = bytes.Kept(_policy, ContextTokens),
        };
    }

    public Model Model { get; }

    public MemoryPlan Plan { get; }

    /// <summary>The most tokens of a sequence, prompt and answer.</summary>
    public int ContextTokens { get; }

    public int ThreadCount => _pool.WorkerCount;

    /// <summary>The policy of sequences that name none.</summary>
    public AttentionPolicy Policy => _policy;

    /// <summary>How keys and values are stored.</summary>
    public KvFormat Kv => _options.Kv;

    /// <summary>What goes on, for any thread at any time.</summary>
    public EngineFigures Figures => _scheduler.Figures(_step.FaultCount) with
    {
        Progress = _step.BegunCount + _pass.LayersComputed,
        Memory = Memory,
        KvBytesInUse = KvBytesInUse,
        Prefixes = Prefixes,
        KvFiles = _cache.Pool.Placement?.Figures,
        LatePrefixReads = _stored.LateCount,
        PrefixesLeft = _stored.LeftCount,
    };

    /// <summary>Sequences that wait.</summary>
    public int WaitingCount => _scheduler.WaitingCount;

    /// <summary>Sequences that compute.</summary>
    public int RunningCount => _scheduler.RunningCount;

    /// <summary>Bytes of cache pages in use.</summary>
    public long KvBytesInUse => _cache.Pool.BytesInUse;

    /// <summary>What the prefix cache holds, which is among the pages in use, and what it has been good for. For between steps.</summary>
    public PrefixFigures Prefixes => _cache.Prefixes.Figures;

    /// <summary>
    /// Bytes that the engine has taken beside the model's weights: what it may take of <see cref="EngineOptions.Memory"/> or of a budget of its own.
    /// </summary>
    public MemoryFigures Memory => _memory.Figures;

    /// <summary>What time it is.</summary>
    internal TimeProvider Time => _options.Time;

    /// <inheritdoc cref="EngineStep.IsFailing"/>
    internal bool IsFailing => _step.IsFailing;

    /// <summary>Whether it cannot go on.</summary>
    internal bool IsBroken => _step.Broken is not null;

    /// <summary>What engines share; null for nothing.</summary>
    internal MemoryBudget? SharedMemory => _options.Memory;

    /// <summary>Whether the last <see cref="Step"/> found all that wait to do so for memory that others have.</summary>
    internal bool AwaitsMemory => _scheduler.AwaitsMemory;

    /// <summary>Where the time of the last <see cref="Step"/> that computed something went.</summary>
    public StepTimings LastStep => _step.Last;

    /// <summary>[layers]: what generated tokens read in that <see cref="Step"/>; to be looked at before the next.</summary>
    public ReadOnlySpan<LayerReads> LastStepLayers => _pass.LastReads;

    /// <summary>Accepts a request; <see cref="Step"/> computes it. Its options are copied: what becomes of them afterwards is nothing to it.</summary>
    /// <exception cref="KvasirException">
    /// The prompt is empty, it or what is given has an unknown token or does not fit the context or the KV memory; an option is out of range; the queue is
    /// full; the sequence was submitted before.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed.</exception>
    public void Submit(Sequence sequence)
    {
        Prepare(sequence);
        Enqueue(sequence);
    }

    /// <summary>
    /// Computes one step for every running sequence. False when there was nothing to compute. What throws in a sequence's own part of the step, be it an
    /// observer or a policy, ends that sequence alone (<see cref="Sequence.Failure"/>); what throws elsewhere ends those that were computing, and the engine
    /// serves others.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed.</exception>
    /// <exception cref="InvalidOperationException">Another thread, or a callback of this one, is in a step.</exception>
    /// <exception cref="KvasirException">The cache does not balance after a fault, and the engine cannot go on.</exception>
    public bool Step()
    {
        ObjectDisposedException.ThrowIf(!_uses.TryEnter(), this);
        try
        {
            using var gate = new StepGate(ref _stepping);
            return StepAlone();
        }
        finally
        {
            LeaveEngine();
        }
    }

    /// <summary>
    /// Writes the keys and values of a conversation to a file, as far as the prefix cache has them, in whole pages. The file is replaced or left as it was,
    /// whatever happens meanwhile. Called as <see cref="Step"/> is.
    /// </summary>
    /// <param name="tokens">Of the conversation: those of a sequence that has ended, as a rule.</param>
    /// <param name="options">Of that sequence: rows belong to a tenant and a salt.</param>
    /// <param name="beforeWriting">Told what will be written.</param>
    /// <exception cref="KvasirException">The file cannot be written, or <see cref="EngineOptions.PrefixCache"/> is off.</exception>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is in progress.</exception>
    public KvFileUse SaveKv(string path, ReadOnlySpan<int> tokens, GenerationOptions? options = null, Action<KvFileUse>? beforeWriting = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        using var use = Use();
        using var gate = new StepGate(ref _stepping);
        return _files.Save(path, tokens, options ?? new(), beforeWriting);
    }

    /// <summary>
    /// Takes keys and values out of a file into the prefix cache, where the next sequence finds them that begins with the same tokens: as many whole pages as
    /// the KV memory holds. Called as <see cref="Step"/> is.
    /// </summary>
    /// <param name="prompt">Takes those alone with which this prompt begins; empty for all.</param>
    /// <param name="options">Of the sequence that is to come.</param>
    /// <exception cref="KvasirException">
    /// The file is missing, damaged, or of another model, tokenizer, rotation or format, and nothing of it was taken; or
    /// <see cref="EngineOptions.PrefixCache"/> is off.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The engine or its model was disposed.</exception>
    /// <exception cref="InvalidOperationException">A step is in progress.</exception>
    public KvFileUse LoadKv(string path, ReadOnlySpan<int> prompt = default, GenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        using var use = Use();
        using var gate = new StepGate(ref _stepping);
        return _files.Load(path, prompt, options ?? new());
    }

    /// <summary>Checks that every page of the pool is either free or in use, once.</summary>
    public void Verify()
    {
        _cache.Pool.Verify();
        _cache.Prefixes.Verify();
    }

    /// <summary>An audit for one sequence; null for a share of 0.</summary>
    /// <param name="candidates">The most of a step.</param>
    internal AttentionAudit? Audit(double share, AttentionPolicy policy, ulong seed, int candidates = 0) =>
        share == 0 ? null : new AttentionAudit(share, seed, _pass.Shape, policy.Spec.Entry.Name, AttentionMeter.Shared, candidates);

    /// <summary>Checks a request, on the thread of whoever asks, which may be any.</summary>
    /// <inheritdoc cref="Submit"/>
    internal void Prepare(Sequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        using var use = Use();
        if (_step.Broken is { } broken)
            throw broken;
        sequence.BeginSubmission(Model.Config.VocabularySize, _options, Model.Tokenizer.SuppressedTokens);
        try
        {
            Accept(sequence);
        }
        catch
        {
            sequence.AbandonSubmission();
            throw;
        }
    }

    /// <summary>Puts what is prepared into the queue.</summary>
    internal void Enqueue(Sequence sequence)
    {
        using var use = Use();
        try
        {
            _scheduler.Waiting.Add(sequence);
        }
        catch
        {
            sequence.AbandonSubmission();
            throw;
        }
    }

    internal void Close(KvasirException reason) => _scheduler.Waiting.Close(reason);

    /// <summary>Ends all that there is, on the thread that steps.</summary>
    internal void EndAll(KvasirException failure)
    {
        using var use = Use();
        _scheduler.FailAll(failure);
    }

    /// <summary>Keeps engine and model from being freed until the use is disposed.</summary>
    /// <exception cref="ObjectDisposedException">One of them was disposed.</exception>
    internal EngineUse Use()
    {
        ObjectDisposedException.ThrowIf(!_uses.TryEnter(), this);
        if (Model.Weights.TryEnter())
            return new EngineUse(this, _pass);
        LeaveEngine();
        throw new ObjectDisposedException(typeof(Model).FullName);
    }

    internal void EndUse()
    {
        Model.Weights.Leave();
        LeaveEngine();
    }

    public void Dispose()
    {
        if (_uses.Close())
            Free();
    }

    private void LeaveEngine()
    {
        if (_uses.Leave())
            Free();
    }

    private void Free()
    {
        _scheduler.FailAll(EngineUse.Closed(this));
        _stored.Dispose();
        DisposeWorkers();
        _pass.Dispose();
        _cache.Dispose();
        _memory.Leave();
    }

    private void DisposeWorkers() => (_options.Workers is null ? _pool : null)?.Dispose();

    // Scratch is for what the memory holds, however long the context: one token more is drawn, and the next fails for want of a page.
    private int MostTokens(ModelConfig config)
    {
        var (most, limit) = (Math.Min(ContextTokens, _cache.TokenLimit + 2), Array.MaxLength / (2 + (config.HeadCount / config.KvHeadCount)));
        if (most <= limit)
            return (int)most;
        throw Refused(
            $"a context of {ContextTokens} tokens is beyond the {limit} that a model with "
                + $"{config.HeadCount / config.KvHeadCount} query heads for each KV head can have here");
    }

    private ForwardPass NewPass(Model model)
    {
        try
        {
            var pass = new ForwardPass(model, _cache, _pool, _options.NewBatch(), _mostTokens);
            if (_memory.TryTakeBeside(MemoryUse.Scratch, pass.ScratchBytes))
                return pass;
            pass.Dispose();
            throw Refused(
                $"the scratch of {_pool.WorkerCount} threads for {_mostTokens} tokens takes {pass.ScratchBytes} bytes, "
                    + $"and {_options.Memory?.LeftBytes} of {_options.Memory?.LimitBytes} are left in the memory that engines share");
        }
        catch (OutOfMemoryException)
        {
            throw Refused(
                $"the scratch of {_pool.WorkerCount} threads for {_mostTokens} tokens does not fit into the {ResidentMemory.AvailableBytes()} "
                    + "bytes of memory that are available; a smaller context, fewer threads or a smaller batch take less");
        }
    }

    private KvasirException Refused(string message)
    {
        DisposeWorkers();
        _cache.Dispose();
        _memory.Leave();
        return new KvasirException(KvasirError.BadOption, message);
    }

    private void Accept(Sequence sequence)
    {
        var options = sequence.Options;
        var (policy, seed) = (
            FullLayersPolicy.Of(options.Attention ?? _policy, _pass.Shape), options.Sampling.Seed ?? (ulong)Random.Shared.NextInt64());
        policy.RequireFits(_pass.Shape, _options.HasKvFiles);
        _limits.Require(sequence, policy, options.AuditShare ?? _options.AuditShare);
        var limit = Math.Min((long)_mostTokens, sequence.AnswerStart + (long)(options.MaxTokens ?? int.MaxValue));
        var deadline = Math.Min(
            options.Deadline?.TotalMilliseconds ?? double.PositiveInfinity, _options.RequestTimeout?.TotalMilliseconds ?? double.PositiveInfinity);
        sequence.Ticket = new Ticket { DeadlineMs = deadline, Tokens = sequence.AnswerStart };
        sequence.Shared?.RequireTurn(Model.Config.Rope, limit);
        sequence.Accept((int)limit, seed, policy, _pass.Shape, Audit(options.AuditShare ?? _options.AuditShare, policy, seed, options.SpeculativeTokens));
        _prefixes.Accept(sequence);
    }

    private bool StepAlone()
    {
        var hasWeights = Model.Weights.TryEnter();
        try
        {
            if (hasWeights)
                return _step.Run();
            _scheduler.FailAll(EngineUse.Closed(Model));
            throw new ObjectDisposedException(typeof(Model).FullName);
        }
        finally
        {
            if (hasWeights)
                Model.Weights.Leave();
        }
    }
}
