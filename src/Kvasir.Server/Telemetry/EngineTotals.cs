namespace Kvasir.Server.Telemetry;

/// <summary>What engines have counted of one model since the server started, those among them that are gone.</summary>
internal sealed record EngineTotals
{
    public long Steps { get; private init; }

    public double StepMs { get; private init; }

    public long[] StepsByTime { get; private init; } = new long[EngineFigures.StepBoundsMs.Length + 1];

    public long[] StepsByRows { get; private init; } = new long[EngineFigures.StepBoundsRows.Length + 1];

    public long DecodeRows { get; private init; }

    public long PromptRows { get; private init; }

    public long Preemptions { get; private init; }

    public long RecomputedRows { get; private init; }

    public long DeletedRows { get; private init; }

    public long LateWaiting { get; private init; }

    public long LateRunning { get; private init; }

    public long StepFaults { get; private init; }

    public long HitTokens { get; private init; }

    public long StoredHitTokens { get; private init; }

    public long LatePrefixReads { get; private init; }

    public long MissTokens { get; private init; }

    public long ResumedTokens { get; private init; }

    public long EvictedColumns { get; private init; }

    public long RetokenisedPrompts { get; private init; }

    public long PageHits { get; private init; }

    public long PageMisses { get; private init; }

    /// <summary>[layers]: pages that were in memory, and pages that were not.</summary>
    public IReadOnlyList<(long Hits, long Misses)> PageLayers { get; private init; } = [];

    public long KvReadBytes { get; private init; }

    public long KvWrittenBytes { get; private init; }

    /// <summary>With what one more engine has counted.</summary>
    public EngineTotals With(EngineFigures figures) => new()
    {
        Steps = Steps + figures.Steps,
        StepMs = StepMs + figures.StepMs,
        StepsByTime = [.. StepsByTime.Zip(figures.StepsByTime, static (past, now) => past + now)],
        StepsByRows = [.. StepsByRows.Zip(figures.StepsByRows, static (past, now) => past + now)],
        DecodeRows = DecodeRows + figures.DecodeRows,
        PromptRows = PromptRows + figures.PromptRows,
        Preemptions = Preemptions + figures.Preemptions,
        RecomputedRows = RecomputedRows + figures.RecomputedRows,
        DeletedRows = DeletedRows + figures.DeletedRows,
        LateWaiting = LateWaiting + figures.LateWaiting,
        LateRunning = LateRunning + figures.LateRunning,
        StepFaults = StepFaults + figures.StepFaults,
        HitTokens = HitTokens + figures.Prefixes.HitTokens,
        StoredHitTokens = StoredHitTokens + figures.Prefixes.StoredHitTokens,
        LatePrefixReads = LatePrefixReads + figures.LatePrefixReads,
        MissTokens = MissTokens + figures.Prefixes.MissTokens,
        ResumedTokens = ResumedTokens + figures.Prefixes.ResumedTokens,
        EvictedColumns = EvictedColumns + figures.Prefixes.EvictedColumns,
        RetokenisedPrompts = RetokenisedPrompts + figures.Prefixes.RetokenisedPrompts,
        PageHits = PageHits + (figures.KvFiles?.Hits ?? 0),
        PageMisses = PageMisses + (figures.KvFiles?.Misses ?? 0),
        PageLayers = Both(PageLayers, figures.KvFiles?.Layers ?? []),
        KvReadBytes = KvReadBytes + (figures.KvFiles?.ReadBytes ?? 0),
        KvWrittenBytes = KvWrittenBytes + (figures.KvFiles?.WrittenBytes ?? 0),
    };

    // A model that was loaded again has as many layers as before.
    private static (long Hits, long Misses)[] Both(IReadOnlyList<(long Hits, long Misses)> past, IReadOnlyList<(long Hits, long Misses)> now)
    {
        var layers = new (long Hits, long Misses)[Math.Max(past.Count, now.Count)];
        for (var i = 0; i < layers.Length; i++)
        {
            var (old, more) = (past.ElementAtOrDefault(i), now.ElementAtOrDefault(i));
            layers[i] = (old.Hits + more.Hits, old.Misses + more.Misses);
        }

        return layers;
    }
}
