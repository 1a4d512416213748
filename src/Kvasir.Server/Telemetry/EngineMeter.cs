using System.Diagnostics.Metrics;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.Telemetry;

/// <summary>What goes on in engines, as instruments that are read when somebody asks: no step does anything for them.</summary>
internal sealed class EngineMeter
{
    private const string Bytes = "By";
    private const int PageTokens = 32;
    private readonly ServedModels _models;

    public EngineMeter(IMeterFactory meters, ServedModels models)
    {
        _models = models;
        var meter = meters.Create(RequestMeter.Name);
        Gauge(meter, "kvasir.requests.running", null, "Sequences that compute", static figures => figures.Running);
        Gauge(meter, "kvasir.requests.waiting", null, "Sequences that wait", static figures => figures.Waiting + figures.Preempted);
        Gauge(meter, "kvasir.queue.tokens", null, "Tokens of prompts that wait", static figures => figures.WaitingTokens);
        Gauge(meter, "kvasir.prefill.rows_budget", null, "Rows of prompts that the last step had time for", static figures => figures.PromptRowsBudget);
        Gauge(meter, "kvasir.prefix.tokens_held", null, "Tokens whose rows the prefix cache holds", static figures => figures.Prefixes.Tokens);
        Gauge(meter, "kvasir.prefix.tokens_kept", null, "Those that go after all others for a time", static figures => figures.Prefixes.KeptTokens);
        Counter(meter, "kvasir.steps", "Steps", static totals => totals.Steps);
        Counter(meter, "kvasir.step_faults", "Faults that ended a step and all in it", static totals => totals.StepFaults);
        Counter(meter, "kvasir.preemptions", "Sequences that gave their memory back to others", static totals => totals.Preemptions);
        Counter(meter, "kvasir.recomputed_tokens", "Rows that were computed again for that", static totals => totals.RecomputedRows);
        Counter(meter, "kvasir.kv.deleted_rows", "Rows that were given up for good, since no later query reads them and the file had no room",
            static totals => totals.DeletedRows);
        Counter(meter, "kvasir.prefix.evicted_columns", "Columns of 32 tokens that left the prefix cache for want of memory",
            static totals => totals.EvictedColumns);
        Counter(meter, "kvasir.prefix.retokenised", "Prompts that went on as rows which were there, in other tokens of the same text",
            static totals => totals.RetokenisedPrompts);
        Counter(meter, "vllm.prefix_cache_queries", "Prompt tokens that were looked for", static totals => totals.HitTokens + totals.MissTokens);
        Counter(meter, "vllm.prefix_cache_hits", "Prompt tokens that were there", static totals => totals.HitTokens);
        Parts(meter, "kvasir.step_rows", "Rows that steps computed, by kind", "kind",
            static totals => [("decode", totals.DecodeRows), ("prompt", totals.PromptRows)]);
        Parts(meter, "kvasir.deadline_exceeded", "Sequences whose time was over, by how far they were", "phase",
            static totals => [("queued", totals.LateWaiting), ("running", totals.LateRunning)]);
        meter.CreateObservableCounter("kvasir.prefix.tokens", PrefixTokens, null,
            "Prompt tokens that were there, that were not, and that preempted sequences found again");
        Counter(meter, "kvasir.prefix.late_reads", "Prompts that computed what took too long to be read", static totals => totals.LatePrefixReads);
        Parts(meter, "kvasir.kv.page_uses", "Pages of keys and values that were wanted, by whether they were in memory", "outcome",
            static totals => [("hit", totals.PageHits), ("miss", totals.PageMisses)]);
        Parts(meter, "kvasir.kv.layer_page_hits", "Those of them that were in memory, by layer", "layer",
            static totals => [.. totals.PageLayers.Select(static (layer, i) => ($"{i}", layer.Hits))]);
        Parts(meter, "kvasir.kv.layer_page_misses", "Those that were not, by layer", "layer",
            static totals => [.. totals.PageLayers.Select(static (layer, i) => ($"{i}", layer.Misses))]);
        Parts(meter, "kvasir.kv.file_bytes", "Bytes of keys and values that went to files and came back", "direction",
            static totals => [("read", totals.KvReadBytes), ("write", totals.KvWrittenBytes)]);
        meter.CreateObservableUpDownCounter("kvasir.kv", KvBytes, Bytes, "Memory of the KV cache and its indexes, by what it is for");
        meter.CreateObservableGauge("kvasir.kv.limit", () => Each(static model => model.Engine.Plan.KvMemoryBytes), Bytes, "What they may take");
        meter.CreateObservableGauge("kvasir.kv.usage", () => Each(Usage), null,
            "Share of that which sequences have; what the prefix cache holds and nobody uses is free");
        meter.CreateObservableGauge("vllm.cache_config_info", CacheConfig, null, "Blocks of the KV cache");
        meter.CreateObservableGauge("kvasir.process.rss", static () => Environment.WorkingSet, Bytes, "Resident memory of the process");
    }

    private void Gauge(Meter meter, string name, string? unit, string description, Func<EngineFigures, long> value) =>
        meter.CreateObservableGauge(name, () => Each(model => value(model.Engine.Figures)), unit, description);

    private void Counter(Meter meter, string name, string description, Func<EngineTotals, long> value) => meter.CreateObservableCounter(
        name, () => _models.Totals.Select(model => new Measurement<long>(value(model.Totals), new KeyValuePair<string, object?>("model", model.Id))), null,
            description);

    private void Parts(
        Meter meter, string name, string description, string label, Func<EngineTotals, (string Part, long Value)[]> parts) =>
        meter.CreateObservableCounter(name, () => Parts(label, parts), null, description);

    private IEnumerable<Measurement<long>> PrefixTokens()
    {
        foreach (var (id, totals) in _models.Totals)
        {
            foreach (var (tier, outcome, value) in new[]
            {
                ("ram", "hit", totals.HitTokens - totals.StoredHitTokens), ("disk", "hit", totals.StoredHitTokens), ("ram", "miss", totals.MissTokens),
                ("ram", "resumed", totals.ResumedTokens),
            })
                yield return new Measurement<long>(value, new("model", id), new("outcome", outcome), new("tier", tier));
        }
    }

    private IEnumerable<Measurement<long>> Parts(string label, Func<EngineTotals, (string Part, long Value)[]> parts)
    {
        foreach (var (id, totals) in _models.Totals)
        {
            foreach (var (part, value) in parts(totals))
            {
                yield return new Measurement<long>(value, new("model", id), new(label, part));
            }
        }
    }

    private IEnumerable<Measurement<long>> KvBytes()
    {
        foreach (var model in _models.InMemory)
        {
            var memory = model.Engine.Memory;
            foreach (var (kind, bytes) in new[] { ("pages", memory.PageBytes), ("indexes", memory.IndexBytes), ("open_pages", memory.OpenPageBytes),
                ("scratch", memory.ScratchBytes) })
                yield return new Measurement<long>(bytes, Model(model), new("tier", "ram"), new("kind", kind));
        }
    }

    private static double Usage(ServedModel model)
    {
        var figures = model.Engine.Figures;
        var used = figures.KvBytesInUse - figures.Prefixes.IdleBytes + figures.Memory.IndexBytes;
        return Math.Clamp((double)used / Math.Max(1, model.Engine.Plan.KvMemoryBytes), 0, 1);
    }

    private IEnumerable<Measurement<long>> CacheConfig()
    {
        foreach (var model in _models.InMemory)
            yield return new Measurement<long>(1, Model(model), new("block_size", PageTokens),
                new("num_gpu_blocks", model.Engine.Plan.TokensThatFit / PageTokens));
    }

    private IEnumerable<Measurement<T>> Each<T>(Func<ServedModel, T> value)
        where T : struct
    {
        foreach (var model in _models.InMemory)
            yield return new Measurement<T>(value(model), Model(model));
    }

    private static KeyValuePair<string, object?> Model(ServedModel model) => new("model", model.Id);
}
