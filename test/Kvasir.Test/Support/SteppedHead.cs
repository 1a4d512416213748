using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Observation;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Hashing;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Support;

/// <summary>
/// One KV head under a policy, stepped as the engine steps it: its row and its query at a position follow from a seed and from which story is told, so that the
/// same positions can be come to in several ways.
/// </summary>
internal sealed class SteppedHead : IDisposable
{
    private readonly AttentionPolicy _policy;
    private readonly HeadPlace _place;
    private readonly KvCache _cache;
    private readonly AttentionScratch _scratch;
    private readonly AttentionHead _head;
    private readonly ulong _seed;
    private readonly ObservedWeights _observed;

    public SteppedHead(AttentionPolicy policy, HeadPlace place, KvFormat kv, ulong seed)
    {
        (_policy, _place, _seed) = (policy, place, seed);
        _cache = new KvCache(kv, 1, 1, place.Dim, 16 << 20);
        _head = new AttentionHead(new SequenceCache(_cache.Pool, 1, 1, place.MaxRows).Head(0, 0), policy.CreateSelector(place));
        _scratch = new AttentionScratch(new AttentionShape(1, place.GroupHeads, 1, place.Dim, null), kv, place.MaxRows);
        _observed = new ObservedWeights(place.GroupHeads, place.MaxRows);
    }

    public int RowCount => _head.Rows.RowCount;

    public long IndexBytes => _head.Selector.IndexBytes;

    /// <summary>The most that the index may hold now.</summary>
    public long IndexBytesAllowed(int promptRows) => _policy.IndexBytesAt(_place, promptRows, RowCount);

    /// <summary>Adds rows of a prompt up to <paramref name="end"/>, shows what is observed of them, and ends it.</summary>
    public void Prompt(int story, int end)
    {
        var first = RowCount;
        while (RowCount < end)
            AddRow(story);
        _head.Append(first, end - first);
        var watched = _head with { Selector = new ReportingAllRows(_head.Selector) };
        for (var position = Math.Max(first, end - _policy.ObservedPromptRows); position < end; position++)
            Attend(watched, story, position, observes: true);
        _head.EndPrompt();
        _head.Build(_scratch.Index);
    }

    /// <summary>One generated token: its output, [group, dim], and behind it the rows that were read, in order.</summary>
    public float[] Step(int story)
    {
        AddRow(story);
        _head.Append(RowCount - 1, 1);
        var read = new SortedSet<int>();
        var output = Attend(_head with { Selector = new Watched(_head.Selector, read) }, story, RowCount - 1, _policy.ObservesDecode);
        _head.Build(_scratch.Index);
        return [.. output, .. read];
    }

    public void Mark() => _head.Mark();

    public void Truncate(int rows)
    {
        _head.Rows.Truncate(rows);
        _head.Selector.Truncate(rows);
    }

    public void Dispose()
    {
        _head.Selector.Dispose();
        _scratch.Dispose();
        _cache.Dispose();
    }

    private void AddRow(int story)
    {
        Assert.True(_head.Rows.TryReserve(RowCount + 1));
        _head.Rows.Append(Normal(story, RowCount, 0, _place.Dim), Normal(story, RowCount, 1, _place.Dim));
    }

    private float[] Attend(AttentionHead head, int story, int position, bool observes)
    {
        var counts = default(SelectionCounts);
        var queries = Normal(story, position, 2, _place.GroupHeads * _place.Dim);
        return head.Attend(queries, (0, position + 1), new Watchers(observes ? _observed : null, null), _scratch, ref counts).Output.ToArray();
    }

    // Keys lie around a mean, so that some rows collect more than others.
    private float[] Normal(int story, int position, int what, int count)
    {
        var seed = CounterNoise.Seed(CounterNoise.Seed(_seed, story, position), what, 0);
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = (float)CounterNoise.Normal(seed, (ulong)i) + (what == 0 && position % 7 == 0 ? 0.5f : 0);
        return values;
    }

    private sealed class Watched(Selector selector, SortedSet<int> read) : Selector
    {
        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
            selector.Weighed(rows, listed, weights, stride, max);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) => selector.Observe(position, rows, weights, stride);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            var more = selector.Select(query, round, sum, selection);
            foreach (var row in selection.Rows)
                read.Add(row);
            foreach (var (first, count) in selection.Ranges)
                read.UnionWith(Enumerable.Range(first, count));
            return more;
        }
    }
}
