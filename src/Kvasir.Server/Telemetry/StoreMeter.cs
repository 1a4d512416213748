using System.Diagnostics.Metrics;
using Kvasir.Server.Hosting;
using Kvasir.Tiers;

namespace Kvasir.Server.Telemetry;

/// <summary>What goes on in stores of prefixes, as instruments that are read when somebody asks.</summary>
internal sealed class StoreMeter
{
    private readonly PrefixStores _stores;

    public StoreMeter(IMeterFactory meters, PrefixStores stores)
    {
        _stores = stores;
        var meter = meters.Create(RequestMeter.Name);
        meter.CreateObservableGauge("kvasir.kv.tier_up", () => Each(static store => store.IsUp ? 1 : 0), null,
            "Whether what is kept of prompts beyond memory is taken there");
        meter.CreateObservableGauge("kvasir.kv.tier_chunks", () => Each(static store => store.Chunks), null, "Chunks of up to 256 tokens that are kept there");
        meter.CreateObservableGauge("kvasir.kv.tier_bytes", () => Each(static store => store.Bytes), "By", "What they take");
        meter.CreateObservableCounter("kvasir.kv.tier_evicted_chunks", () => Each(static store => store.EvictedChunks), null,
            "Chunks that went for want of room");
        meter.CreateObservableCounter("kvasir.kv.tier_transfer", () => Parts("direction", static store =>
            [("read", store.ReadBytes), ("write", store.WrittenBytes)]), "By", "Bytes that were read there and written");
        meter.CreateObservableCounter("kvasir.kv.tier_errors", () => Parts("kind", static store =>
            [("read", store.ReadErrors), ("write", store.WriteErrors), ("damaged", store.Damaged)]), null,
            "Reads and writes that failed, and chunks that were not what was written");
    }

    private IEnumerable<Measurement<long>> Each(Func<PrefixStoreFigures, long> value) =>
        _stores.All.Select(store => new Measurement<long>(value(store.Figures), new KeyValuePair<string, object?>("tier", store.Tier)));

    private IEnumerable<Measurement<long>> Parts(string label, Func<PrefixStoreFigures, (string Part, long Value)[]> parts) =>
        from store in _stores.All
        from part in parts(store.Figures)
        select new Measurement<long>(part.Value, new("tier", store.Tier), new(label, part.Part));
}
