using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Support;

/// <summary>One KV head with a cache and scratch of its own, and how a selector lives with it, without an engine.</summary>
internal sealed class TestHead : IDisposable
{
    private readonly KvCache _cache;
    private readonly AttentionScratch _scratch;
    private readonly HeadPlace _place;

    /// <param name="scores">What scores are capped at, and the sink of each head of the group; 0 and none for neither.</param>
    public TestHead(HeadPlace place, KvFormat format, long limitBytes = 16 << 20, (float Cap, float[] Sinks) scores = default)
    {
        _place = place;
        _cache = new KvCache(format, new AttentionShape(1, 1, 1, place.Dim, null) { ScoreCap = scores.Cap }, new MemoryBudget(limitBytes));
        _scratch = new AttentionScratch(new AttentionShape(1, place.GroupHeads, 1, place.Dim, null), format, place.MaxRows);
        _scratch.Sinks = scores.Sinks;
        Rows = NewRows();
    }

    public KvHead Rows { get; }

    /// <summary>Another head of the same cache, without rows.</summary>
    public KvHead NewRows() => new SequenceCache(_cache.Pool, 1, 1, _place.MaxRows).Head(0, 0);

    /// <summary>The calls that <paramref name="selector"/> lives by.</summary>
    public AttentionHead With(Selector selector) => new(Rows, selector);

    /// <summary>Builds what waits.</summary>
    public void Build(Selector selector) => With(selector).Build(_scratch.Index);

    /// <param name="queries">[group, dim]</param>
    /// <param name="end">The rows before it are in sight.</param>
    public SoftmaxSum Attend(Selector selector, ReadOnlySpan<float> queries, int end, scoped in Watchers watchers, scoped ref SelectionCounts counts) =>
        With(selector).Attend(queries, (0, end), watchers, _scratch, ref counts);

    /// <summary>The same, of which nobody is told.</summary>
    public SoftmaxSum Attend(Selector selector, ReadOnlySpan<float> queries, int end)
    {
        var counts = default(SelectionCounts);
        return Attend(selector, queries, end, default, ref counts);
    }

    /// <summary>Normally distributed numbers.</summary>
    public static float[] Normal(Random random, int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }

    public void Dispose()
    {
        _scratch.Dispose();
        _cache.Dispose();
    }
}
