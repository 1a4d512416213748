using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Observation;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Test.Support;

/// <summary>
/// One KV head under a policy, stepped as the engine steps it: its row and its query at a position follow from a seed and from which story is told, so that the
/// same positions can be come to in several ways.
/// </summary>
internal sealed class SteppedHead : IDisposable
{
    private readonly AttentionPolicy _policy;
    private readonly HeadPlace _place;
    private readonly TestHead _head;
    private readonly Selector _selector;
    private readonly ulong _seed;
    private readonly ObservedWeights _observed;

    public SteppedHead(AttentionPolicy policy, HeadPlace place, KvFormat kv, ulong seed)
    {
        (_policy, _place, _seed) = (policy, place, seed);
        (_head, _selector) = (new TestHead(place, kv), policy.CreateSelector(place));
        _observed = new ObservedWeights(place.GroupHeads, place.MaxRows);
    }

    public int RowCount => _head.Rows.RowCount;

    public long IndexBytes => _selector.IndexBytes;

    /// <summary>The most that the index may hold now.</summary>
    public long IndexBytesAllowed(int promptRows) => _policy.IndexBytesAt(_place, promptRows, RowCount);

    /// <summary>Adds rows of a prompt up to <paramref name="end"/>, shows what is observed of them, and ends it.</summary>
    public void Prompt(int story, int end)
    {
        var first = RowCount;
        while (RowCount < end)
            AddRow(story);
        _head.With(_selector).Append(first, end - first);
        var watched = new ReportingAllRows(_selector);
        for (var position = Math.Max(first, end - _policy.ObservedPromptRows); position < end; position++)
            Attend(watched, story, position, observes: true);
        _head.With(_selector).EndPrompt();
        _head.Build(_selector);
    }

    /// <summary>One generated token: its output, [group, dim], and behind it the rows that were read, in order.</summary>
    public float[] Step(int story)
    {
        AddRow(story);
        _head.With(_selector).Append(RowCount - 1, 1);
        var read = new SortedSet<int>();
        var output = Attend(new WatchedSelector(_selector, read), story, RowCount - 1, _policy.ObservesDecode);
        _head.Build(_selector);
        return [.. output, .. read];
    }

    public void Mark() => _head.With(_selector).Mark();

    public void Truncate(int rows)
    {
        _head.Rows.Truncate(rows);
        _selector.Truncate(rows);
    }

    public void Dispose()
    {
        _selector.Dispose();
        _head.Dispose();
    }

    private void AddRow(int story)
    {
        Assert.True(_head.Rows.TryReserve(RowCount + 1));
        _head.Rows.Append(Normal(story, RowCount, 0, _place.Dim), Normal(story, RowCount, 1, _place.Dim));
    }

    private float[] Attend(Selector selector, int story, int position, bool observes)
    {
        var counts = default(SelectionCounts);
        var queries = Normal(story, position, 2, _place.GroupHeads * _place.Dim);
        return _head.Attend(selector, queries, position + 1, new Watchers(observes ? _observed : null, null), ref counts).Output.ToArray();
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
}
