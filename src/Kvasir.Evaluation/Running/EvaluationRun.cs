using System.Diagnostics;
using System.Runtime;
using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Evaluation.Results;
using Kvasir.Ground;
using Kvasir.Requests;

namespace Kvasir.Evaluation.Running;

/// <summary>
/// Runs a plan. Samples go through the engine in batches of one policy, and a batch under every policy before the next, so that what is compared
/// lies close together, and a step's time is that of its policy. What is the same under all policies of a prompt is computed once.
/// </summary>
public sealed class EvaluationRun : IDisposable
{
    private const double WarmUpMs = 400;
    private const int WarmUpTokens = 24;
    private readonly EvaluationPlan _plan;
    private readonly Engine _engine;
    private readonly IReadOnlyList<AttentionPolicy> _policies;
    private readonly SampleStore _samples;
    private readonly int _ownTokens;
    private IReadOnlyList<KeptBatch>? _kept;
    private volatile EvaluationProgress? _progress;
    private volatile SampleBatch? _preparing;

    /// <param name="model">Must outlive the run.</param>
    /// <param name="made">Told the task, and how many of its samples are made, which takes time where a file has many.</param>
    /// <exception cref="KvasirException">
    /// The plan is incomplete, or a sample does not fit the model's context or the KV memory: before anything is computed.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public EvaluationRun(Model model, EvaluationPlan plan, Action<PlannedTask, int>? made = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(plan);
        plan.Validate();
        (_plan, _policies, _samples) = (plan, plan.Compared, new SampleStore(model, plan));
        var config = model.Config;
        var shape = config.Attention;
        foreach (var policy in _policies)
            policy.RequireFits(shape);
        var longest = _samples.LongestTokens(made, cancellation);
        _engine = new Engine(model, new EngineOptions
        {
            Threads = plan.Threads,
            Kv = plan.Kv,
            KvMemoryBytes = plan.KvMemoryBytes,
            ContextTokens = longest,
            MaxSequences = plan.BatchSequences,
            Queue = QueueLimits.None,
            PromptsFirst = true,
            // Each request names its policy; this is the one that memory is planned with.
            Attention = _policies.MaxBy(policy => policy.IndexBytesPerToken(config.HeadDim))!,
        });
        // The token that tells the first of the answer. What a policy observes it computes again, and of what is shared it copies what it keeps: where there is
        // not twice the room, less is shared.
        var room = Batches().Max(RoomBytes);
        _ownTokens = 2 * room <= _engine.Plan.KvMemoryBytes ? 1 : Math.Max(DensePart.LeastOwnTokens, _policies.Max(static policy => policy.ObservedPromptRows));
        if (_engine.Plan.TokensThatFit >= longest)
            return;
        var fits = _engine.Plan.TokensThatFit;
        _engine.Dispose();
        throw new KvasirException(
            KvasirError.KvMemoryExceeded,
            $"{longest} tokens of prompt and answer are more than the {fits} that the KV memory of {_engine.Plan.KvMemoryBytes} bytes holds");
    }

    /// <summary>Results that the whole plan has.</summary>
    public int ResultCount => _plan.Contexts.Count * _plan.Protocols.Count * _policies.Count * _plan.Tasks.Sum(_plan.SamplesOf);

    /// <summary>From any thread; null before the first sample.</summary>
    public EvaluationProgress? Progress =>
        _progress is { Policy: null } progress && _preparing is { } batch ? progress with { PromptShare = batch.PromptShare } : _progress;

    /// <summary>Threads that compute.</summary>
    public int ThreadCount => _engine.ThreadCount;

    /// <summary>KV memory that prompts take until they are used again.</summary>
    internal long KvBytesInUse => _engine.KvBytesInUse;

    /// <summary>
    /// Computes something for a moment, so that the first results' times are not those of code that is compiled only then. Code that compiles nothing was
    /// compiled ahead of time, or has run in this process before, and needs no more.
    /// </summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void WarmUp(CancellationToken cancellation = default)
    {
        var (start, count) = (Stopwatch.GetTimestamp(), Math.Min(WarmUpTokens, _engine.ContextTokens / 2));
        var compiled = JitInfo.GetCompiledMethodCount(currentThread: true);
        while (count > 0 && Stopwatch.GetElapsedTime(start).TotalMilliseconds < WarmUpMs)
        {
            var options = new GenerationOptions { GivenTokens = new int[count], MaxTokens = 0, Attention = _policies[0] };
            TimedSequence.RunAll(_engine, [new TimedSequence(new Sequence(new int[count], options))], cancellation);
            if (JitInfo.GetCompiledMethodCount(currentThread: true) == compiled)
                return;
        }
    }

    /// <summary>Computes and gives the results one by one, in an order of its own: policies of a sample follow one another, batch by batch.</summary>
    /// <param name="done">Results of an earlier run, which are left out.</param>
    /// <param name="cancellation">Ends the batch in work, without results of it.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IEnumerable<EvaluatedSample> Run(IReadOnlySet<SampleKey>? done = null, CancellationToken cancellation = default)
    {
        var pace = new RunPace(Batches().Sum(batch => Work(batch, done)));
        var doneCount = done?.Count ?? 0;
        foreach (var batch in Batches().Where(batch => Work(batch, done) > 0))
        {
            _progress = new EvaluationProgress(batch.Task.Name, batch.Context, _plan.Protocols[0], null, 0, doneCount, ResultCount, pace.Left);
            using var samples = Samples(batch, cancellation);
            foreach (var (turn, isMissing) in Turns(batch, samples, done, cancellation))
            {
                var progress = new EvaluationProgress(batch.Task.Name, batch.Context, turn.Protocol, turn.Policy.Name, 1, doneCount, ResultCount, pace.Left);
                _progress = progress;
                foreach (var result in samples.Run(turn, isMissing, cancellation))
                {
                    doneCount++;
                    _progress = progress with { Done = doneCount, Left = pace.Left };
                    yield return result;
                }
            }

            pace.Add(Work(batch, done));
            _progress = _progress with { Left = pace.Left };
        }
    }

    /// <summary>
    /// Computes every sample under one policy, which need not be the plan's, but observes no more of a prompt than those. Batches are kept, so that what they
    /// know of dense attention is computed once for all policies that follow; so are common parts of prompts, as far as there is memory.
    /// </summary>
    /// <exception cref="KvasirException">The policy does not fit the model.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IEnumerable<EvaluatedSample> Run(AttentionPolicy policy, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _kept ??= Keep(cancellation);
        foreach (var (samples, keepsPrompts) in _kept)
        {
            foreach (var protocol in _plan.Protocols)
            {
                cancellation.ThrowIfCancellationRequested();
                samples.Prepare(protocol, static _ => true, cancellation);
                foreach (var result in samples.Run(new BatchProtocol(protocol, policy), static _ => true, cancellation))
                    yield return result;
            }

            if (keepsPrompts)
                continue;
            samples.Release();
            // That gives the memory back, and has nothing to compute.
            _engine.Step();
        }
    }

    public void Dispose()
    {
        foreach (var (samples, _) in _kept ?? [])
            samples.Dispose();
        _engine.Dispose();
    }

    // What is to be run of a batch, protocol by protocol; the common parts of its prompts are computed before the first policy.
    private IEnumerable<(BatchProtocol Turn, Func<int, bool> IsMissing)> Turns(
        Batch batch, SampleBatch samples, IReadOnlySet<SampleKey>? done, CancellationToken cancellation)
    {
        foreach (var protocol in _plan.Protocols)
        {
            bool IsMissing(int index, AttentionPolicy policy) =>
                done?.Contains(new SampleKey(batch.Task.Name, batch.Context, protocol, policy.Name, index)) != true;
            AttentionPolicy[] policies = [.. _policies.Where(policy => batch.Indexes.Any(index => IsMissing(index, policy)))];
            if (policies.Length == 0)
                continue;
            _progress = _progress! with { Protocol = protocol, Policy = null };
            _preparing = samples;
            samples.Prepare(protocol, index => _policies.Any(policy => IsMissing(index, policy)), cancellation);
            foreach (var policy in policies)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return (new BatchProtocol(protocol, policy), index => IsMissing(index, policy));
            }
        }
    }

    // The tokens of the samples of which something is missing.
    private long Work(Batch batch, IReadOnlySet<SampleKey>? done) => (long)batch.Context * (done is null ? batch.Indexes.Length : batch.Indexes.Count(index => (
        from protocol in _plan.Protocols
        from policy in _policies
        select new SampleKey(batch.Task.Name, batch.Context, protocol, policy.Name, index)).Any(key => !done.Contains(key))));

    // Prompts are kept as long as there is memory left for the largest batch.
    private List<KeptBatch> Keep(CancellationToken cancellation)
    {
        var kept = new List<KeptBatch>();
        var spareBytes = _engine.Plan.KvMemoryBytes - Batches().Max(RoomBytes);
        foreach (var batch in Batches())
        {
            var keepsPrompts = RoomBytes(batch) <= spareBytes;
            spareBytes -= keepsPrompts ? RoomBytes(batch) : 0;
            kept.Add(new KeptBatch(Samples(batch, cancellation), keepsPrompts));
        }

        return kept;
    }

    private IEnumerable<Batch> Batches() =>
        from task in _plan.Tasks
        from context in _plan.Contexts
        from indexes in Enumerable.Range(0, _plan.SamplesOf(task)).Chunk(BatchSize(task, context))
        select new Batch(task, context, indexes);

    // Nobody is preempted: what is computed again would be attended densely.
    private int BatchSize(PlannedTask task, int context)
    {
        var most = Math.Min(_plan.BatchSequences, task.MostSideBySide(_engine.Model.Config.VocabularySize));
        return (int)Math.Clamp(_engine.Plan.KvMemoryBytes / SequenceBytes(task, context), 1, most);
    }

    private long RoomBytes(Batch batch) => batch.Indexes.Length * SequenceBytes(batch.Task, batch.Context);

    // Pages and the largest index.
    private long SequenceBytes(PlannedTask task, int context)
    {
        var (tokens, shape) = (PageTokens(task, context), _engine.Model.Config.Attention);
        return _engine.Plan.KvBytes(tokens) + _engine.Plan.OpenPageBytes
            + _policies.Max(policy => policy.SharedIndexBytes(shape) + policy.IndexBytesAt(shape, tokens, tokens, tokens));
    }

    // Of the longest sample, in whole pages.
    private int PageTokens(PlannedTask task, int context)
    {
        var tokens = task.SampleCount is null ? context : _engine.ContextTokens;
        return (tokens + PagePool.PageTokens) / PagePool.PageTokens * PagePool.PageTokens;
    }

    private SampleBatch Samples(Batch batch, CancellationToken cancellation)
    {
        var samples = new List<PlannedSample>();
        foreach (var index in batch.Indexes)
        {
            cancellation.ThrowIfCancellationRequested();
            samples.Add(_samples.Take(batch.Task, batch.Context, index));
        }

        return batch.Task.Open(_engine, new BatchPlace(batch.Task.Name, batch.Context, _plan.AuditShare, _ownTokens), samples);
    }

    private sealed record Batch(PlannedTask Task, int Context, int[] Indexes);

    private sealed record KeptBatch(SampleBatch Samples, bool KeepsPrompts);
}
