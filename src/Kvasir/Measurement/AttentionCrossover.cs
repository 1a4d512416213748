using System.Diagnostics;
using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;
using Kvasir.Synthetic;

namespace Kvasir.Measurement;

/// <summary>
/// From how many tokens on a policy attends faster than dense attention on this machine: one KV head of a model's shape, random rows of the structure that
/// benchmarks use, one thread. Takes about a second.
/// </summary>
internal sealed class AttentionCrossover
{
    /// <summary>Where measuring begins: with less in sight, little is to be gained.</summary>
    public const int LeastDepth = 2048;

    // A policy that is only just faster is not worth what it loses.
    private const double LeastGain = 1.25;
    private const double ScoreDeviation = 2.5;
    private const int Rounds = 9;
    private const int WarmRounds = 2;
    private const double WarmUpMs = 400;
    private const int MostDepth = 65536;
    private readonly AttentionShape _shape;
    private readonly KvFormat _kv;
    private readonly float[] _spectrum;
    private readonly float[][] _queries;
    private readonly Func<LayerReads, double>? _cost;

    /// <param name="cost">What a step costs by what it read, where its time is not to be measured.</param>
    public AttentionCrossover(ModelConfig config, KvFormat kv, Func<LayerReads, double>? cost = null)
    {
        _cost = cost;
        _shape = new AttentionShape(1, config.HeadCount / config.KvHeadCount, 1, config.HeadDim, null);
        (_kv, _spectrum) = (kv, PairSpectrum.Factors(config.Rope, config.HeadDim));
        var random = new Random(1);
        _queries = [.. Enumerable.Range(0, Rounds).Select(_ => Query(random))];
    }

    /// <summary>The least depth from which on the policy is faster, of those tried, each twice the one before; null where it is not.</summary>
    /// <param name="policy">One that is dense in no context however short.</param>
    /// <param name="contextTokens">Depths beyond it are not tried.</param>
    public int? Find(AttentionPolicy policy, int contextTokens)
    {
        int? found = null;
        for (var depth = LeastDepth; depth <= Math.Min(contextTokens, MostDepth); depth *= 2)
        {
            // Code that is not optimised yet is slow in other proportions.
            var isFaster = Gain(policy, depth, depth == LeastDepth && _cost is null ? WarmUpMs : 0) >= LeastGain;
            found = isFaster ? found ?? depth : null;
        }

        return found;
    }

    /// <summary>How many times as long dense attention takes.</summary>
    /// <param name="warmUpMs">Spent before anything counts, beside a few rounds.</param>
    private double Gain(AttentionPolicy policy, int depth, double warmUpMs)
    {
        var maxRows = depth + PagePool.PageTokens;
        using var cache = new KvCache(_kv, 1, 1, _shape.Dim, CacheBytes(maxRows));
        var rows = new SequenceCache(cache.Pool, 1, 1, maxRows);
        Invariant.Holds(rows.TryReserve(depth));
        using var pool = new WorkerPool(1);
        new RandomRows(1, _spectrum, PairSpectrum.KeyDeviation(_spectrum, ScoreDeviation, queries: 1), 1, 1).Fill(pool, rows, 0, depth);
        var head = rows.Head(0, 0);
        using var scratch = new AttentionScratch(_shape, _kv, maxRows, takesPrompts: false);
        using var selector = policy.CreateSelector(new HeadPlace(1, 2, 0, _shape.GroupHeads, _shape.Dim, maxRows));
        var (sparse, dense) = (new AttentionHead(head, selector), new AttentionHead(head, AllRows.Instance));
        sparse.Append(0, depth);
        sparse.EndPrompt();
        sparse.Build(scratch.Index);
        var gains = new double[Rounds];
        var start = Stopwatch.GetTimestamp();
        for (var round = 0; round < WarmRounds || Stopwatch.GetElapsedTime(start).TotalMilliseconds < warmUpMs; round++)
            _ = GainOf(round);
        for (var round = 0; round < Rounds; round++)
            gains[round] = GainOf(round);
        Array.Sort(gains);
        return gains[Rounds / 2];

        double GainOf(int round)
        {
            var query = _queries[round % _queries.Length];
            // Steps of different lengths: policies may keep what they found for a step that is done again.
            var visible = (0, depth - (round & 1));
            var densely = Attend(dense, query, visible, scratch);
            return densely / Attend(sparse, query, visible, scratch);
        }
    }

    private double Attend(AttentionHead head, float[] query, (int First, int End) visible, AttentionScratch scratch)
    {
        var (start, counts) = (Stopwatch.GetTimestamp(), default(SelectionCounts));
        head.Attend(query, visible, default, scratch, ref counts);
        return _cost?.Invoke(counts.Reads) ?? Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    // More than any type takes, and a page to begin with.
    private long CacheBytes(int rows) => ((long)rows + PagePool.PageTokens) * 2 * (_shape.Dim + 64) * sizeof(float);

    private float[] Query(Random random)
    {
        var query = new float[_shape.GroupHeads * _shape.Dim];
        for (var i = 0; i < query.Length; i++)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            query[i] = (float)(_spectrum[i % _shape.Dim] / Math.Sqrt(_shape.Dim) * radius * Math.Cos(Math.Tau * random.NextDouble()));
        }
        return query;
    }
}
