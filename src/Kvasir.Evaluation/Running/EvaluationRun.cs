using System.Diagnostics;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Evaluation.Results;

namespace Kvasir.Evaluation.Running;

/// <summary>
/// Runs a plan. Samples go through the engine in batches of one policy, and a batch under every policy before the next, so that what is compared
/// lies close together, and a step's time is that of its policy.
/// </summary>
public sealed class EvaluationRun : IDisposable
{
    private const double WarmUpMs = 400;
    private const int WarmUpTokens = 24;
    private readonly EvaluationPlan _plan;
    private readonly Engine _engine;
    private readonly IReadOnlyList<AttentionPolicy> _policies;
    private List<SampleBatch>? _kept;
    private volatile EvaluationProgress? _progress;

    /// <param name="model">Must outlive the run.</param>
    /// <exception cref="KvasirException">The plan is incomplete, or a sample does not fit the model's context or the KV memory: before anything is computed.</exception>
    public EvaluationRun(Model model, EvaluationPlan plan)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(plan);
        plan.Validate();
        (_plan, _policies) = (plan, plan.Compared);
        var config = model.Config;
        var shape = new AttentionShape(config.LayerCount, config.HeadCount, config.KvHeadCount, config.HeadDim, config.SlidingWindowTokens);
        foreach (var policy in _policies)
            policy.RequireFits(shape);
        var longest = LongestTokens(model);
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
    public EvaluationProgress? Progress => _progress;

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
        var (left, doneCount) = (WorkLeft(done), done?.Count ?? 0);
        var (work, start) = (0L, Stopwatch.GetTimestamp());
        foreach (var batch in Batches())
        {
            var samples = Prepare(batch, done);
            foreach (var policy in samples is null ? [] : _policies)
            {
                cancellation.ThrowIfCancellationRequested();
                var progress = new EvaluationProgress(batch.Task.Name, batch.Context, batch.Protocol, policy.Name, doneCount, ResultCount, TimeLeft(work, left, start));
                _progress = progress;
                foreach (var result in samples!.Run(policy, index => !IsDone(batch, policy, index, done), cancellation))
                {
                    (work, doneCount) = (work + batch.Context, doneCount + 1);
                    _progress = progress with { Done = doneCount, Left = TimeLeft(work, left, start) };
                    yield return result;
                }
            }
        }
    }

    /// <summary>
    /// Computes every sample under one policy, which need not be the plan's. Batches are kept, so that what they know of dense attention is computed once for
    /// all policies that follow.
    /// </summary>
    /// <exception cref="KvasirException">The policy does not fit the model.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IEnumerable<EvaluatedSample> Run(AttentionPolicy policy, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _kept ??= [.. Batches().Select(batch => Open(batch, batch.Indexes))];
        foreach (var batch in _kept)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var result in batch.Run(policy, static _ => true, cancellation))
                yield return result;
        }
    }

    public void Dispose() => _engine.Dispose();

    private static TimeSpan? TimeLeft(long work, long left, long start) => work == 0 ? null : Stopwatch.GetElapsedTime(start) * ((double)(left - work) / work);

    private static bool IsDone(Batch batch, AttentionPolicy policy, int index, IReadOnlySet<SampleKey>? done) =>
        done?.Contains(new SampleKey(batch.Task.Name, batch.Context, batch.Protocol, policy.Name, index)) == true;

    // What takes time is reading prompts, so that a sample counts for its tokens.
    private long WorkLeft(IReadOnlySet<SampleKey>? done) => _plan.Keys().Sum(key => done?.Contains(key) == true ? 0L : key.Context);

    private int LongestTokens(Model model)
    {
        var longest = _plan.Contexts.Max();
        if (longest > model.Config.ContextTokens)
            throw new KvasirException(KvasirError.ContextExceeded, $"a context of {longest} tokens is beyond the {model.Config.ContextTokens} that {model.Config.Name} was made for");
        foreach (var task in _plan.Tasks)
        {
            foreach (var context in _plan.Contexts)
            {
                // Texts of files are as long as they are; where texts are made, one tells whether the length is enough.
                for (var i = 0; i < (task.SampleCount is null ? 1 : _plan.SamplesOf(task)); i++)
                    longest = Math.Max(longest, Tokens(model, task, context, i));
            }
        }

        return longest;
    }

    private int Tokens(Model model, PlannedTask task, int context, int index)
    {
        var tokens = task.Sample(model, context, _plan.Seed, index).TokenLimit;
        return tokens <= model.Config.ContextTokens ? tokens : throw new KvasirException(
            KvasirError.ContextExceeded,
            $"{task.Place(index)} takes {tokens} tokens with its answer, beyond the {model.Config.ContextTokens} that {model.Config.Name} was made for");
    }

    private IEnumerable<Batch> Batches() =>
        from task in _plan.Tasks
        from context in _plan.Contexts
        let size = BatchSize(task, context)
        from protocol in _plan.Protocols
        from indexes in Enumerable.Range(0, _plan.SamplesOf(task)).Chunk(size)
        select new Batch(task, context, protocol, indexes);

    // Nobody is preempted: what is computed again would be attended densely.
    private int BatchSize(PlannedTask task, int context)
    {
        var tokens = task.SampleCount is null ? context : _engine.ContextTokens;
        var pageTokens = (tokens + PagePool.PageTokens) / PagePool.PageTokens * PagePool.PageTokens;
        return (int)Math.Clamp(_engine.Plan.TokensThatFit / pageTokens, 1, Math.Min(_plan.BatchSequences, task.MostSideBySide(_engine.Model.Config.VocabularySize)));
    }

    // Null where nothing is left to do.
    private SampleBatch? Prepare(Batch batch, IReadOnlySet<SampleKey>? done)
    {
        int[] missing = [.. batch.Indexes.Where(index => _policies.Any(policy => !IsDone(batch, policy, index, done)))];
        if (missing.Length == 0)
            return null;
        return Open(batch, missing);
    }

    private SampleBatch Open(Batch batch, int[] indexes)
    {
        PlannedSample[] samples = [.. indexes.Select(index => batch.Task.Sample(_engine.Model, batch.Context, _plan.Seed, index))];
        return batch.Task.Open(_engine, new BatchPlace(batch.Task.Name, batch.Context, batch.Protocol, _plan.AuditShare), samples);
    }

    private sealed record Batch(PlannedTask Task, int Context, Protocol Protocol, int[] Indexes);
}
