using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Support;

/// <summary>One KV head with random rows, and one random query of its group, without an engine.</summary>
internal sealed class LoneHead : IDisposable
{
    private readonly KvCache _cache;
    private readonly AttentionScratch _scratch;
    private readonly float[] _queries;
    private readonly HeadPlace _place;

    public LoneHead(HeadPlace place, int rowCount, int seed, float keyScale = 1, float valueScale = 1)
    {
        _place = place;
        var random = new Random(seed);
        _cache = new KvCache(KvFormat.F32, 1, 1, place.Dim, 16 << 20);
        Head = new SequenceCache(_cache.Pool, 1, 1, place.MaxRows).Head(0, 0);
        Assert.True(Head.TryReserve(place.MaxRows));
        for (var row = 0; row < rowCount; row++)
            Head.Append([.. Normal(random, place.Dim).Select(x => keyScale * x)], [.. Normal(random, place.Dim).Select(x => valueScale * x)]);
        _queries = Normal(random, place.GroupHeads * place.Dim);
        _scratch = new AttentionScratch(new AttentionShape(1, place.GroupHeads, 1, place.Dim, null), KvFormat.F32, place.MaxRows);
    }

    public KvHead Head { get; }

    /// <summary>Rows that the last call read.</summary>
    public HashSet<int> LastRead { get; } = [];

    /// <summary>[group, dim]: the outputs for what <paramref name="selector"/> selects.</summary>
    public float[] Attend(Selector selector) => Attend(selector, Head.RowCount - 1);

    /// <summary>The same for a query at an earlier position.</summary>
    public float[] Attend(Selector selector, int position)
    {
        LastRead.Clear();
        var watched = new Watched(selector, LastRead);
        return Decode(watched, position + 1).Output.ToArray();
    }

    /// <summary>Makes every query the key of a row, many times over.</summary>
    public void LookFor(int row)
    {
        var key = new float[_place.Dim];
        Head.Keys.Decode(row, key);
        for (var i = 0; i < _queries.Length; i++)
            _queries[i] = 10 * key[i % key.Length];
    }

    /// <summary>[group, rows]: what dense attention gives to each row.</summary>
    public float[] Weights()
    {
        var count = Head.RowCount;
        var weights = new float[_place.GroupHeads * count];
        AttentionScores.Rows(_queries, Head.Keys, new RowSet(0, count), 1, weights, count);
        for (var head = 0; head < _place.GroupHeads; head++)
        {
            var own = weights.AsSpan(head * count, count);
            var max = own.ToArray().Max();
            var mass = 0.0;
            foreach (var score in own)
                mass += Math.Exp(score - max);
            foreach (ref var score in own)
                score = (float)(Math.Exp(score - max) / mass);
        }

        return weights;
    }

    /// <summary>Of each query the sum of e^score times values, then that of e^score alone: [group, dim + 1].</summary>
    public double[] Sums(Selector selector)
    {
        var sum = Decode(selector, Head.RowCount);
        var sums = new double[_place.GroupHeads * (_place.Dim + 1)];
        for (var head = 0; head < _place.GroupHeads; head++)
        {
            var all = Math.Exp(sum.LogSumExp(head));
            for (var i = 0; i < _place.Dim; i++)
                sums[head * (_place.Dim + 1) + i] = sum.Output[head * _place.Dim + i] * all;
            sums[head * (_place.Dim + 1) + _place.Dim] = all;
        }

        return sums;
    }

    /// <summary>Tells a selector of rows that the head already holds, and builds what waits then.</summary>
    public void AppendTo(Selector selector, int first, int count)
    {
        var head = new AttentionHead(Head, selector);
        head.Append(first, count);
        head.Build(_scratch.Index);
    }

    /// <summary>Ends a prompt of all rows, and builds what waits then.</summary>
    public void EndPrompt(Selector selector) => EndPrompt(selector, Head);

    /// <summary>Ends a prompt of only the first <paramref name="count"/> rows.</summary>
    public void EndPrompt(Selector selector, int count)
    {
        var copy = new SequenceCache(_cache.Pool, 1, 1, _place.MaxRows).Head(0, 0);
        Assert.True(copy.TryReserve(_place.MaxRows));
        var (key, value) = (new float[_place.Dim], new float[_place.Dim]);
        for (var row = 0; row < count; row++)
        {
            Head.Keys.Decode(row, key);
            Head.Values.Decode(row, value);
            copy.Append(key, value);
        }

        EndPrompt(selector, copy);
    }

    /// <summary>Makes every value NaN but those of <paramref name="rows"/>, and every key if <paramref name="keys"/>.</summary>
    public void PoisonAllBut(IReadOnlySet<int> rows, bool keys)
    {
        var nothing = new float[_place.Dim];
        Array.Fill(nothing, float.NaN);
        var count = Head.RowCount;
        var kept = new (float[] Key, float[] Value)[count];
        for (var row = 0; row < count; row++)
        {
            kept[row] = (new float[_place.Dim], new float[_place.Dim]);
            Head.Keys.Decode(row, kept[row].Key);
            Head.Values.Decode(row, kept[row].Value);
        }

        Head.Truncate(0);
        Assert.True(Head.TryReserve(_place.MaxRows));
        for (var row = 0; row < count; row++)
            Head.Append(!keys || rows.Contains(row) ? kept[row].Key : nothing, rows.Contains(row) ? kept[row].Value : nothing);
    }

    public void Dispose()
    {
        _scratch.Dispose();
        _cache.Dispose();
    }

    private void EndPrompt(Selector selector, KvHead rows)
    {
        var head = new AttentionHead(rows, selector);
        head.EndPrompt();
        head.Build(_scratch.Index);
    }

    private SoftmaxSum Decode(Selector selector, int end)
    {
        var counts = default(SelectionCounts);
        return new AttentionHead(Head, selector).Attend(_queries, (0, end), default, _scratch, ref counts);
    }

    private static float[] Normal(Random random, int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
        return values;
    }

    private sealed class Watched(Selector selector, HashSet<int> read) : Selector
    {
        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
            selector.Weighed(rows, listed, weights, stride, max);

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
