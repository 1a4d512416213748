using System.Diagnostics;
using Kvasir.Attention.Heads;
using Kvasir.Kernels.Hashing;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Audit;

/// <summary>
/// The audit of one sequence: which of its sparse (step, layer, KV head) are computed densely as well, by a hash of seed and place, and what that found.
/// Workers may add at once for different KV heads, so that sums do not depend on who was first. What is found of candidates counts when they are taken.
/// </summary>
internal sealed class AttentionAudit
{
    private readonly double _share;
    private readonly ulong _seed;
    private readonly int _layerCount;
    private readonly string _policy;
    private readonly AttentionMeter _meter;
    private readonly AuditTally[] _tallies;
    private readonly HeldComparisons[] _held;

    /// <param name="share">Of the heads, from above 0 to 1.</param>
    /// <param name="candidates">The most of a step.</param>
    public AttentionAudit(double share, ulong seed, AttentionShape shape, string policy, AttentionMeter meter, int candidates = 0)
    {
        (_share, _seed, _layerCount, _policy, _meter) = (share, seed, shape.LayerCount, policy, meter);
        _tallies = new AuditTally[Math.Max(shape.KvHeadCount, shape.WindowHeads?.KvHeadCount ?? 0)];
        for (var i = 0; i < _tallies.Length; i++)
            _tallies[i] = new AuditTally(shape.LayerCount);
        _held = new HeldComparisons[candidates > 0 ? _tallies.Length : 0];
        for (var i = 0; i < _held.Length; i++)
            _held[i] = new HeldComparisons(candidates * shape.LayerCount, shape.GroupHeads);
    }

    public bool Draws(int position, int layer, int kvHead) => CounterNoise.Uniform(CounterNoise.Seed(_seed, layer, kvHead), (ulong)position) < _share;

    /// <summary>Adds what a comparison found. Heads that turn out to have been read densely are not counted.</summary>
    /// <param name="place">The KV head, and the row behind the first of its segment: those behind are candidates.</param>
    /// <param name="ticks">Of the clock, that it took.</param>
    /// <exception cref="KvasirException">The comparison is not finite.</exception>
    public void Add(int layer, (int KvHead, int Row) place, DenseComparison comparison, long ticks)
    {
        _tallies[place.KvHead].Ticks += ticks;
        if (comparison.IsDense)
            return;
        comparison.RequireFinite(layer, place.KvHead);
        if (place.Row == 0)
            Count(layer, place.KvHead, comparison.Found);
        else
            _held[place.KvHead].Add(place.Row, layer, comparison.Found);
    }

    /// <summary>Says how many rows of the segment stay: of the others nothing is counted. Between steps.</summary>
    public void Settle(int rowCount)
    {
        for (var kvHead = 0; kvHead < _held.Length; kvHead++)
        {
            var held = _held[kvHead];
            for (var i = 0; i < held.Count; i++)
            {
                if (held.Place(i) is var (row, layer) && row < rowCount)
                    Count(layer, kvHead, held.Head(i));
            }

            held.Clear();
        }
    }

    /// <summary>What was found so far; to be called between steps.</summary>
    public AuditFigures Figures()
    {
        var all = new AuditTally(_layerCount);
        foreach (var tally in _tallies)
            all.Add(tally);
        var (layer, error) = all.WorstLayer();
        return new AuditFigures
        {
            Share = _share,
            HeadCount = all.Heads,
            MeanError = all.MeanError,
            P50Error = all.Quantile(0.5),
            P99Error = all.Quantile(0.99),
            MaxError = all.LargestError,
            WorstLayer = layer,
            WorstLayerError = error,
            MassKept = all.MeanMass,
            P05MassKept = all.MassQuantile(0.05),
            KeysReadShare = Share(all.RowsRead, all.RowsInSight),
            KeysUsedShare = Share(all.RowsUsed, all.RowsUsable),
            ComputeMs = all.Ticks * (1000.0 / Stopwatch.Frequency),
        };
    }

    private void Count(int layer, int kvHead, in ComparedHead head)
    {
        _tallies[kvHead].Add(layer, head);
        _meter.Record(head, _policy);
    }

    private static double Share(long part, long whole) => whole == 0 ? 1 : (double)part / whole;
}
