using System.Diagnostics;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Evaluation.Results;

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
    private volatile EvaluationProgress? _progress;
    private volatile SampleBatch? _preparing;

    /// <param name="model">Must outlive the run.</param>
    /// <param name="made">Told the task, and how many of its samples are made, which takes time where a file has many.</param>
    /// <exception cref="KvasirException">The plan is incomplete, or a sample does not fit the model's context or the KV memory: before anything is computed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public EvaluationRun(Model model, EvaluationPlan plan, Action<PlannedTask, int>? made = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(plan);
        plan.Validate();
        (_plan, _policies, _samples) = (plan, plan.Compared, new SampleStore(model, plan));
        _ownTokens = Math.Max(DensePart.LeastOwnTokens, _policies.Max(static policy => policy.ObservedPromptRows));
        var config = model.Config;
        var shape = new AttentionShape(config.LayerCount, config.HeadCount, config.KvHeadCount, config.HeadDim, config.SlidingWindowTokens);
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
            QueueLimit = plan.BatchSequences,
            PromptsFirst = true,
        });
        if (_engine.Plan.TokensThatFit >= longest)
            return;
        var fits = _engine.Plan.TokensThatFit;
        _engine.Dispose();
        throw new KvasirException(KvasirError.KvMemoryExceeded, $"{longest} tokens of prompt and answer are more than the {fits} that the KV memory of {_engine.Plan.KvMemoryBytes} bytes holds");
    }

    /// <summary>Results that the whole plan has.</summary>
    public int ResultCount => _plan.Contexts.Count * _plan.Protocols.Count * _policies.Count * _plan.Tasks.Sum(_plan.SamplesOf);

    /// <summary>From any thread; null before the first sample.</summary>
    public EvaluationProgress? Progress => _progress is { Policy: null } progress && _preparing is { } batch ? progress with { PromptShare = batch.PromptShare } : _progress;

    /// <summary>Threads that compute.</summary>
    public int ThreadCount => _engine.ThreadCount;

    /// <summary>Computes something for a moment, so that the first results' times are not those of code that is compiled only then.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void WarmUp(CancellationToken cancellation = default)
    {
        var start = Stopwatch.GetTimestamp();
        var count = Math.Min(WarmUpTokens, _engine.ContextTokens / 2);
        while (count > 0 && Stopwatch.GetElapsedTime(start).TotalMilliseconds < WarmUpMs)
        {
            var options = new GenerationOptions { GivenTokens = new int[count], MaxTokens = 0, Attention = _policies[0] };
            TimedSequence.RunAll(_engine, [new TimedSequence(new Sequence(new int[count], options))], cancellation);
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
            foreach (var (protocol, policy, isMissing) in Turns(batch, samples, done, cancellation))
            {
                var progress = new EvaluationProgress(batch.Task.Name, batch.Context, protocol, policy.Name, 1, doneCount, ResultCount, pace.Left);
                _progress = progress;
                foreach (var result in samples.Run(protocol, policy, isMissing, cancellation))
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

    public void Dispose() => _engine.Dispose();

    // What is to be run of a batch, protocol by protocol; the common parts of its prompts are computed before the first policy.
    private IEnumerable<(Protocol Protocol, AttentionPolicy Policy, Func<int, bool> IsMissing)> Turns(
        Batch batch, SampleBatch samples, IReadOnlySet<SampleKey>? done, CancellationToken cancellation)
    {
        foreach (var protocol in _plan.Protocols)
        {
            bool IsMissing(int index, AttentionPolicy policy) => done?.Contains(new SampleKey(batch.Task.Name, batch.Context, protocol, policy.Name, index)) != true;
            AttentionPolicy[] policies = [.. _policies.Where(policy => batch.Indexes.Any(index => IsMissing(index, policy)))];
            if (policies.Length == 0)
                continue;
            _progress = _progress! with { Protocol = protocol, Policy = null };
            _preparing = samples;
            samples.Prepare(protocol, index => _policies.Any(policy => IsMissing(index, policy)), cancellation);
            foreach (var policy in policies)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return (protocol, policy, index => IsMissing(index, policy));
            }
        }
    }

    // The tokens of the samples of which something is missing.
    private long Work(Batch batch, IReadOnlySet<SampleKey>? done) => (long)batch.Context * (done is null ? batch.Indexes.Length : batch.Indexes.Count(index => (
        from protocol in _plan.Protocols
        from policy in _policies
        select new SampleKey(batch.Task.Name, batch.Context, protocol, policy.Name, index)).Any(key => !done.Contains(key))));

    private IEnumerable<Batch> Batches() =>
        from task in _plan.Tasks
        from context in _plan.Contexts
        from indexes in Enumerable.Range(0, _plan.SamplesOf(task)).Chunk(BatchSize(task, context))
        select new Batch(task, context, indexes);

    // Nobody is preempted: what is computed again would be attended densely.
    private int BatchSize(PlannedTask task, int context)
    {
        var tokens = task.Task.SampleCount is null ? context : _engine.ContextTokens;
        var pageTokens = (tokens + PagePool.PageTokens) / PagePool.PageTokens * PagePool.PageTokens;
        return (int)Math.Clamp(_engine.Plan.TokensThatFit / pageTokens, 1, _plan.BatchSequences);
    }

    private SampleBatch Samples(Batch batch, CancellationToken cancellation)
    {
        var samples = new List<PlannedSample>();
        foreach (var index in batch.Indexes)
        {
            cancellation.ThrowIfCancellationRequested();
            samples.Add(_samples.Take(batch.Task, batch.Context, index));
        }

        return new SampleBatch(_engine, batch.Task.Name, batch.Context, samples) { AuditShare = _plan.AuditShare, OwnTokens = _ownTokens };
    }

    private sealed record Batch(PlannedTask Task, int Context, int[] Indexes);
}
