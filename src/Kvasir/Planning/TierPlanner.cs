using System.Diagnostics.CodeAnalysis;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Forward;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Planning;

/// <summary>
/// Finds the ways in which a model can have a context within memory and disk, and says what each takes: formats of rows x policies, in memory or with the rest
/// on file. One enumeration; a search is a matter of milliseconds.
/// </summary>
public sealed class TierPlanner
{
    // What the program takes by itself: the runtime, what it has compiled, the managed heap.
    private const long RuntimeBytes = 96L << 20;

    // Under which speed nobody would want it, beside the fastest.
    private const double LeastSpeed = 0.5;
    private const long MostContext = 1 << 24;
    private const int MostBatch = 64;
    private const double WorthwhileGain = 1.05;
    private const int LowTokens = 4096;
    private const int HighTokens = 8192;
    private static readonly (bool Kv, bool Weights)[] Sources = [(false, false), (true, false), (false, true), (true, true)];
    private static readonly double[] PoolShares = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];
    private readonly ModelSizes _model;
    private readonly MachineFigures _machine;

    // At two lengths of a context: what grows with it are scores and selections, in proportion.
    private readonly Dictionary<(KvFormat Kv, int Batch, bool OnFile), (long Low, long High)> _scratch = [];

    public TierPlanner(ModelSizes model, MachineFigures machine)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(machine);
        (_model, _machine) = (model, machine);
    }

    /// <summary>The ways that fit, the chosen one among them.</summary>
    /// <exception cref="KvasirException">Nothing fits; the message names the nearest that would.</exception>
    public TierPlan Plan(PlanRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        request = request.Batch == 0 ? request with { Batch = FastestBatch(request) } : request;
        var ways = Ways(request);
        if (ways.Count == 0)
            throw new KvasirException(KvasirError.KvMemoryExceeded, Nearest(request));
        var chosen = Choose(ways, request.Target);
        return new TierPlan
        {
            Model = _model.Name,
            Fingerprint = _model.Fingerprint,
            Machine = _machine,
            ContextTokens = request.ContextTokens,
            Batch = request.Batch,
            MemoryBytes = request.MemoryBytes,
            DiskBytes = request.DiskBytes,
            Target = request.Target,
            Ways = [.. ways.Select(way => way == chosen ? way with { IsChosen = true } : way)],
            Others = Others(request),
        };
    }

    /// <summary>The way that would be chosen of those that fit; null where none does.</summary>
    public PlannedWay? Best(PlanRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Ways(request) is { Count: > 0 } ways ? Choose(ways, request.Target) : null;
    }

    /// <summary>What the way of a policy and a format takes; null where it does not fit.</summary>
    /// <param name="kvMemoryBytes">For keys, values and indexes; 0 for all that is left.</param>
    internal PlannedWay? Way(PlanRequest request, AttentionPolicy policy, KvFormat kv, bool onFile, long kvMemoryBytes = 0) =>
        TryFit(request, new PlannedPolicy(policy.Spec, 0, 0), kv, (onFile, false), out var fit) ? Predict(request, fit, kvMemoryBytes) : null;

    private static PlannedWay Choose(List<PlannedWay> ways, PlanTarget target)
    {
        var least = ways.Min(static way => way.LostPoints);
        var exact = ways.Where(way => way.LostPoints <= least).ToArray();
        var fastest = exact.Max(static way => way.TokensPerSecond);
        var quick = exact.Where(way => way.TokensPerSecond >= LeastSpeed * fastest);
        return target switch
        {
            PlanTarget.Speed => exact.MaxBy(static way => way.TokensPerSecond)!,
            PlanTarget.Memory => quick.MinBy(static way => way.Memory.Total)!,
            // In the order of the enumeration, which is from the most exact on.
            _ => quick.First(),
        };
    }

    // As many sequences as are fastest together, where each doubling is worth that every answer becomes slower; 1 where none fits.
    private int FastestBatch(PlanRequest request)
    {
        var (fastest, rate) = (1, 0.0);
        for (var batch = 1; batch <= MostBatch; batch *= 2)
        {
            if (Best(request with { Batch = batch }) is { } way && way.TokensPerSecond > WorthwhileGain * rate)
                (fastest, rate) = (batch, way.TokensPerSecond);
        }

        return fastest;
    }

    private List<PlannedWay> Ways(PlanRequest request)
    {
        var ways = new List<PlannedWay>();
        foreach (var planned in PlannedPolicies.All)
        {
            foreach (var kv in request.Kv is { } only ? [only] : PlannedFormats.All)
            {
                // Who has place for all has no use for a file; weights, which every step reads whole, are the last to leave.
                foreach (var from in Sources)
                {
                    if (!TryFit(request, planned, kv, from, out var fit))
                        continue;
                    ways.Add(Best(request, fit));
                    break;
                }
            }
        }

        return ways;
    }

    // Rows that are stored one by one can be copied one by one.
    private List<PlannedWay> Others(PlanRequest request)
    {
        var ways = new List<PlannedWay>();
        foreach (var planned in PlannedPolicies.Placements)
        {
            foreach (var kv in request.Kv is { } only ? [only] : PlannedFormats.Rows)
            {
                if (!TryFit(request, planned, kv, (false, false), out _) && TryFit(request, planned, kv, (true, false), out var fit))
                    ways.Add(Predict(request, fit, 0));
            }
        }

        return ways;
    }

    // For the least memory, the smallest pool that is nearly as fast as the largest.
    private PlannedWay Best(PlanRequest request, Fit fit)
    {
        var most = Predict(request, fit, 0);
        if (request.Target != PlanTarget.Memory || !fit.OnFile)
            return most;
        var spare = fit.KvBytes - fit.LeastBytes;
        return PoolShares.Select(share => Predict(request, fit, fit.LeastBytes + (long)(share * spare)))
            .First(way => way.TokensPerSecond >= 0.8 * most.TokensPerSecond);
    }

    // Keys and values, and weights: whether what memory has no place for comes from a file.
    private bool TryFit(PlanRequest request, PlannedPolicy planned, KvFormat kv, (bool Kv, bool Weights) from, [MaybeNullWhen(false)] out Fit fit)
    {
        fit = null;
        if (from.Kv && (request.DiskBytes == 0 || !planned.Policy.SuitsFiles || _model.Config.WindowHeads is not null))
            return false;
        if ((from.Kv || from.Weights) && _machine.Store is null)
            return false;
        fit = FitOf(request, planned, kv, from, request.ContextTokens);
        if (Fits(request, fit))
            return true;
        fit = null;
        return false;
    }

    private static bool Fits(PlanRequest request, Fit fit) => fit.LeastBytes <= fit.KvBytes && (!fit.OnFile || fit.DiskBytes <= request.DiskBytes);

    // What is left for keys and values, and what they need at least.
    private Fit FitOf(PlanRequest request, PlannedPolicy planned, KvFormat kv, (bool Kv, bool Weights) from, int tokens)
    {
        var onFile = from.Kv;
        var (cost, shape) = (new CostModel(_model, _machine, kv), _model.Config.Attention);
        var policy = FullLayersPolicy.Of(planned.Policy, shape);
        var (pages, batch) = (cost.Pages(tokens), request.Batch);
        var index = (batch * policy.IndexBytesAt(shape, tokens, tokens, tokens)) + policy.SharedIndexBytes(shape);
        var beside = index + (batch * cost.OpenBytes);
        // Until a prompt is over all of its rows are there; those of the others are dropped by then.
        var inMemory = pages + ((batch - 1) * Math.Min(pages, cost.Kept(policy, tokens)));
        var slabs = 2 * SlotMemory.SlabTargetBytes;
        // What has to be there whatever is read: of whole sequences one, of each that ALISA computes what its policy goes on reading.
        var held = planned.Eviction switch
        {
            PageEviction.Vllm => pages,
            PageEviction.Alisa => cost.HeadCount * (long)batch * new ResidencySchedule(0, policy.SettledRowsAt).PagesIn(tokens),
            _ => 0,
        };
        var atLeast = Math.Max(held, Math.Max(2L * KvHead.PagesFor(tokens), cost.HeadCount * batch));
        var least = beside + (onFile ? (atLeast * cost.PageBytes) + slabs : inMemory * cost.PageBytes);
        var disk = onFile ? batch * pages * cost.StorePageBytes : 0;
        var scratch = Scratch(kv, tokens, batch, onFile);
        var tables = TableBytes.Of(batch * pages, batch * pages, onFile ? least / cost.PageBytes : batch * pages, onFile);
        var free = request.MemoryBytes - scratch - tables - RuntimeBytes;
        var weights = (from.Weights ? PlannedWeights.Within(_model, free - least) : null) ?? PlannedWeights.Whole(_model);
        var left = free - weights.ResidentBytes;
        return new Fit(planned, kv, cost, beside, least, onFile ? Math.Min(left, disk + beside) : Math.Min(left, least), disk, scratch, tables)
        {
            OnFile = onFile,
            Weights = weights,
        };
    }

    private PlannedWay Predict(PlanRequest request, Fit fit, long kvMemoryBytes)
    {
        var kvBytes = kvMemoryBytes == 0 ? fit.KvBytes : kvMemoryBytes;
        double? pool = fit.OnFile ? Math.Max(0, kvBytes - fit.BesideBytes) / fit.Cost.PageBytes : null;
        var policy = FullLayersPolicy.Of(fit.Planned.Policy, _model.Config.Attention);
        var running = fit.Planned.Eviction == PageEviction.Vllm && pool is { } places
            ? Math.Clamp((int)(places / fit.Cost.Pages(request.ContextTokens)), 1, request.Batch)
            : request.Batch;
        var placed = fit.Planned.Eviction == PageEviction.Vllm ? null : pool;
        var step = fit.Cost.Step(policy, request.ContextTokens, running, placed, request.Hits, fit.Planned.Eviction);
        step = fit.Cost.WithWeights(step, fit.Weights.ReadBy(_model, running));
        return new PlannedWay(fit.Planned.Spec.ToString(), fit.Kv.Name, fit.OnFile)
        {
            KvMemoryBytes = kvBytes,
            DiskBytes = fit.OnFile ? Math.Max(fit.DiskBytes, kvBytes) : 0,
            Memory = new PlannedMemory(fit.Weights.ResidentBytes, kvBytes, fit.ScratchBytes, fit.TableBytes, RuntimeBytes),
            KvEviction = fit.Planned.Eviction,
            KvAhead = fit.OnFile && !step.ReadsAhead ? PageAhead.Off : PageAhead.Auto,
            PoolPages = pool ?? 0,
            TokensPerSecond = running / step.TotalSeconds,
            FirstTokenSeconds = request.Batch * fit.Cost.Prompt(request.ContextTokens, pool / request.Batch, fit.Weights.ReadBy(_model, CostModel.ChunkRows)),
            WeightsMemoryBytes = fit.Weights.LimitBytes,
            WeightBytesReadPerStep = fit.Weights.ReadBy(_model, running),
            LinearMs = step.LinearSeconds * 1000,
            AttentionMs = step.AttentionSeconds * 1000,
            ReadMs = step.ReadSeconds * 1000,
            OtherMs = step.OtherSeconds * 1000,
            PagesPerStep = (long)step.PagesUsed,
            PagesReadPerStep = (long)step.PagesRead,
            BytesReadPerStep = (long)step.BytesRead,
            LongestContext = Longest(request, fit.Planned, fit.Kv, fit.OnFile),
            LostPoints = fit.Planned.LostPoints,
        };
    }

    // In whole kibitokens.
    private long Longest(PlanRequest request, PlannedPolicy planned, KvFormat kv, bool onFile)
    {
        const int Step = 1024;
        var (fits, tooLong) = (0L, MostContext / Step);
        var mayLeave = onFile || (request.DiskBytes > 0 && _machine.Store is not null && planned.Policy.SuitsFiles);
        while (tooLong - fits > 1)
        {
            var middle = (fits + tooLong) / 2;
            if (Sources.Any(from => (from.Kv ? mayLeave : !onFile) && (!from.Weights || _machine.Store is not null) && Holds((int)middle * Step, from)))
                fits = middle;
            else
                tooLong = middle;
        }

        return fits * Step;

        bool Holds(int tokens, (bool Kv, bool Weights) from) => Fits(request, FitOf(request, planned, kv, from, tokens));
    }

    private long Scratch(KvFormat kv, int tokens, int batch, bool onFile)
    {
        if (!_scratch.TryGetValue((kv, batch, onFile), out var known))
            _scratch[(kv, batch, onFile)] = known = (At(LowTokens), At(HighTokens));
        return known.Low + ((known.High - known.Low) * (tokens - LowTokens) / (HighTokens - LowTokens));

        long At(int most) => PassBytes.Scratch(
            _model.Config, (_model.Matrices, _model.Experts?.Matrices), kv, EngineOptionsFor(batch).NewBatch(), (_machine.Cores, most, onFile));
    }

    private static EngineOptions EngineOptionsFor(int batch) => new() { MaxSequences = batch, BatchTokens = Math.Max(new EngineOptions().BatchTokens, batch) };

    private string Nearest(PlanRequest request)
    {
        var size = $"{request.Batch} x {request.ContextTokens} tokens of {_model.Name} do not fit into {request.MemoryBytes} bytes of memory"
            + (request.DiskBytes > 0 ? $" and {request.DiskBytes} of disk" : "");
        var candidates = (
            from planned in PlannedPolicies.All
            from kv in request.Kv is { } only ? [only] : PlannedFormats.All
            from source in Sources
            where (!source.Kv && !source.Weights) || _machine.Store is not null
            where !source.Kv || (request.DiskBytes > 0 && planned.Policy.SuitsFiles)
            let fit = FitOf(request, planned, kv, source, request.ContextTokens)
            let weights = source.Weights ? PlannedWeights.LeastBytes(_model) : _model.ResidentBytes
            let needed = fit.ScratchBytes + fit.TableBytes + RuntimeBytes + fit.LeastBytes + weights
            select (planned, kv, onFile: source.Kv, Memory: Math.Max(request.MemoryBytes, needed), Disk: fit.DiskBytes)).ToArray();
        var nearest = candidates.Where(way => way.planned.LostPoints == 0).MinBy(way => way.Memory + Math.Max(0, way.Disk - request.DiskBytes));
        var longest = candidates.Where(way => way.planned.LostPoints == 0).Max(way => Longest(request, way.planned, way.kv, way.onFile));
        return $"{size}; the nearest that would is {nearest.planned.Spec}, {nearest.kv.Name} with {nearest.Memory} bytes of memory"
            + (nearest.Disk > 0 ? $" and {nearest.Disk} of disk" : "")
            + (longest > 0 ? $", or {longest} tokens each" : request.Batch > 1 ? ", or fewer sequences" : $": weights alone take {_model.ResidentBytes}");
    }

    private sealed record Fit(
        PlannedPolicy Planned, KvFormat Kv, CostModel Cost, long BesideBytes, long LeastBytes, long KvBytes, long DiskBytes, long ScratchBytes, long TableBytes)
    {
        /// <summary>Whether keys and values lie there that memory has no place for.</summary>
        public required bool OnFile { get; init; }

        public required PlannedWeights Weights { get; init; }
    }
}
