using System.Diagnostics;
using Kvasir.Attention.Heads;
using Kvasir.Kernels.Hashing;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Audit;

/// <summary>
/// The audit of one sequence: which of its sparse (step, layer, KV head) are computed densely as well, by a hash of seed and place, and what that found.
/// Workers may add at once for different KV heads, so that sums do not depend on who was first.
/// </summary>
internal sealed class AttentionAudit
{
    private readonly double _share;
    private readonly ulong _seed;
    private readonly int _layerCount;
    private readonly string _policy;
    private readonly AttentionMeter _meter;
    private readonly AuditTally[] _tallies;

    /// <param name="share">Of the heads, from above 0 to 1.</param>
    public AttentionAudit(double share, ulong seed, AttentionShape shape, string policy, AttentionMeter meter)
    {
        (_share, _seed, _layerCount, _policy, _meter) = (share, seed, shape.LayerCount, policy, meter);
        _tallies = new AuditTally[shape.KvHeadCount];
        for (var i = 0; i < _tallies.Length; i++)
            _tallies[i] = new AuditTally(shape.LayerCount);
    }

    public bool Draws(int position, int layer, int kvHead) => CounterNoise.Uniform(CounterNoise.Seed(_seed, layer, kvHead), (ulong)position) < _share;

    /// <summary>Adds what a comparison found. Heads that turn out to have been read densely are not counted.</summary>
    /// <exception cref="KvasirException">The comparison is not finite.</exception>
    /// <param name="ticks">Of the clock, that it took.</param>
    public void Add(int layer, int kvHead, DenseComparison comparison, long ticks)
    {
        _tallies[kvHead].Ticks += ticks;
        if (comparison.IsDense)
            return;
        comparison.RequireFinite(layer, kvHead);
        _tallies[kvHead].Add(layer, comparison);
        _meter.Record(comparison, _policy);
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
            WorstLayer = layer,
            WorstLayerError = error,
            MassKept = all.MeanMass,
            KeysReadShare = Share(all.RowsRead, all.RowsInSight),
            KeysUsedShare = Share(all.RowsUsed, all.RowsUsable),
            ComputeMs = all.Ticks * (1000.0 / Stopwatch.Frequency),
        };
    }

    private static double Share(long part, long whole) => whole == 0 ? 1 : (double)part / whole;
}
