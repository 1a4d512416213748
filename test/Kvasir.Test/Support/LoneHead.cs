using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>One KV head with random rows, and one random query of its group, without an engine.</summary>
internal sealed class LoneHead : IDisposable
{
    private readonly TestHead _head;
    private readonly float[] _queries;
    private readonly HeadPlace _place;
    private readonly float[] _sinks;

    /// <param name="scores">As <see cref="TestHead"/> has them.</param>
    public LoneHead(HeadPlace place, int rowCount, int seed, float keyScale = 1, float valueScale = 1, (float Cap, float[] Sinks) scores = default)
    {
        (_place, _sinks) = (place, scores.Sinks ?? []);
        var random = new Random(seed);
        _head = new TestHead(place, KvFormat.F32, scores: scores);
        Assert.True(Head.TryReserve(place.MaxRows));
        for (var row = 0; row < rowCount; row++)
            Head.Append([.. TestHead.Normal(random, place.Dim).Select(x => keyScale * x)], [.. TestHead.Normal(random, place.Dim).Select(x => valueScale * x)]);
        _queries = TestHead.Normal(random, place.GroupHeads * place.Dim);
    }

    public KvHead Head => _head.Rows;

    /// <summary>Rows that the last call read.</summary>
    public HashSet<int> LastRead { get; } = [];

    /// <summary>[group, dim]: the outputs for what <paramref name="selector"/> selects.</summary>
    public float[] Attend(Selector selector) => Attend(selector, Head.RowCount - 1);

    /// <summary>The same for a query at an earlier position.</summary>
    public float[] Attend(Selector selector, int position)
    {
        LastRead.Clear();
        return _head.Attend(new WatchedSelector(selector, LastRead), _queries, position + 1).Output.ToArray();
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
        var sum = _head.Attend(selector, _queries, Head.RowCount);
        var sums = new double[_place.GroupHeads * (_place.Dim + 1)];
        for (var head = 0; head < _place.GroupHeads; head++)
        {
            var all = Math.Exp(sum.LogSumExp(head));
            var divisor = all + (_sinks.Length > 0 ? Math.Exp(_sinks[head]) : 0);
            for (var i = 0; i < _place.Dim; i++)
                sums[head * (_place.Dim + 1) + i] = sum.Output[head * _place.Dim + i] * divisor;
            sums[head * (_place.Dim + 1) + _place.Dim] = all;
        }

        return sums;
    }

    /// <summary>Tells a selector of rows that the head already holds, and builds what waits then.</summary>
    public void AppendTo(Selector selector, int first, int count)
    {
        _head.With(selector).Append(first, count);
        _head.Build(selector);
    }

    /// <summary>Ends a prompt of all rows, and builds what waits then.</summary>
    public void EndPrompt(Selector selector) => EndPrompt(selector, Head);

    /// <summary>Ends a prompt of only the first <paramref name="count"/> rows.</summary>
    public void EndPrompt(Selector selector, int count)
    {
        var copy = _head.NewRows();
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

    public void Dispose() => _head.Dispose();

    private void EndPrompt(Selector selector, KvHead rows)
    {
        new AttentionHead(rows, selector).EndPrompt();
        _head.Build(selector);
    }
}
