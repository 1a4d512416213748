using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>
/// Heads of a few layers with random keys, whose selectors have observed the last queries of a prompt: random too, and softmaxes of their products in double
/// precision, as floats.
/// </summary>
internal sealed class ObservedHeads : IDisposable
{
    public const int KvHeads = 2;
    private readonly TestHead[] _heads;
    private readonly Selector[] _selectors;

    // [heads][queries][group][rows]: as they were told.
    private readonly float[][][][] _weights;

    // [heads][queries]: [group, dim] of each.
    private readonly float[][][] _queries;

    /// <param name="observed">The last queries that there are weights of; what the policy wants of them it is told.</param>
    /// <param name="format">How rows are stored; F32 if null.</param>
    /// <param name="likeness">How much of a key is that of its neighbour.</param>
    public ObservedHeads(
        AttentionPolicy policy, Random random, (int Layers, int Group, int Dim, int Rows) of, int observed, KvFormat? format = null, float likeness = 0)
    {
        (Layers, Rows) = (of.Layers, of.Rows);
        var place = new HeadPlace(0, of.Layers, 0, of.Group, of.Dim, of.Rows + 8) { Together = policy.CreateTogether() };
        (_heads, _selectors) = (new TestHead[of.Layers * KvHeads], new Selector[of.Layers * KvHeads]);
        (_weights, _queries) = (new float[_heads.Length][][][], new float[_heads.Length][][]);
        for (var layer = 0; layer < of.Layers; layer++)
            policy.CreateLayer(place with { Layer = layer }, _selectors.AsSpan(layer * KvHeads, KvHeads));
        for (var i = 0; i < _heads.Length; i++)
        {
            _heads[i] = new TestHead(place, format ?? KvFormat.F32, 16 << 20);
            // Heads differ in how peaked their attention is.
            Fill(i, random, of, likeness);
            var keys = Keys(i, of);
            _queries[i] = [.. Enumerable.Range(0, Math.Min(observed, of.Rows)).Select(_ => TestHead.Normal(random, of.Group * of.Dim))];
            _weights[i] = [.. Enumerable.Range(0, Math.Min(observed, of.Rows)).Select(q => Weights(keys, _queries[i][q], of, of.Rows - Math.Min(observed, of.Rows) + q))];
            Tell(i, policy.ObservedPromptRows);
        }
    }

    public int Layers { get; }

    public int Rows { get; }

    public int Count => _heads.Length;

    public KvHead Head(int head) => _heads[head].Rows;

    public Selector Selector(int head) => _selectors[head];

    /// <summary>[query, the last at the end][query head of the group][row]: what a head's rows were given.</summary>
    public float[][][] WeightsOf(int head) => _weights[head];

    /// <summary>The sum of squares of an element of a head's queries.</summary>
    public double SquareOf(int head, int element)
    {
        var dim = Head(head).Dim;
        return _queries[head].Sum(own => Enumerable.Range(0, own.Length / dim).Sum(i => (double)own[i * dim + element] * own[i * dim + element]));
    }

    /// <summary>The rows of every head that stay, whichever head is asked first.</summary>
    public int[][] Kept(Random random)
    {
        var kept = new int[Count][];
        foreach (var i in Enumerable.Range(0, Count).OrderBy(_ => random.Next()))
            kept[i] = [.. Enumerable.Range(0, Rows).Where(Edit(i).Keeps)];
        return kept;
    }

    /// <summary>What the selector of a head answers at the end of the prompt.</summary>
    public RowEdit Edit(int head)
    {
        var edit = new RowEdit();
        edit.Begin(Rows);
        _selectors[head].Edit(Head(head), (0, Rows + 1), edit);
        return edit;
    }

    public void Dispose()
    {
        foreach (var selector in _selectors)
            selector.Dispose();
        foreach (var head in _heads)
            head.Dispose();
    }

    private void Fill(int head, Random random, (int Layers, int Group, int Dim, int Rows) of, float likeness)
    {
        Assert.True(Head(head).TryReserve(of.Rows + 8));
        var (scale, key) = ((0.5f + random.NextSingle() * 3) / MathF.Sqrt(of.Dim), new float[of.Dim]);
        for (var row = 0; row < of.Rows; row++)
        {
            key = [.. TestHead.Normal(random, of.Dim).Zip(key, (own, last) => likeness * last + MathF.Sqrt(1 - likeness * likeness) * own * scale)];
            Head(head).Append(key, TestHead.Normal(random, of.Dim));
        }

        _selectors[head].Append(Head(head), 0, of.Rows);
    }

    // [rows]: as they are stored, read once for all queries.
    private float[][] Keys(int head, (int Layers, int Group, int Dim, int Rows) of)
    {
        var keys = new float[of.Rows][];
        for (var row = 0; row < of.Rows; row++)
            Head(head).Keys.Decode(row, keys[row] = new float[of.Dim]);
        return keys;
    }

    private static float[][] Weights(float[][] keys, float[] queries, (int Layers, int Group, int Dim, int Rows) of, int position)
    {
        var weights = new float[of.Group][];
        for (var own = 0; own < of.Group; own++)
        {
            var query = queries.AsSpan(own * of.Dim, of.Dim);
            var scores = new double[of.Rows];
            for (var row = 0; row <= position; row++)
                scores[row] = Math.Exp(Product(keys[row], query));
            var sum = scores.Sum();
            weights[own] = [.. scores.Select(score => (float)(score / sum))];
        }

        return weights;
    }

    private static double Product(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }

    private void Tell(int head, int observed)
    {
        var (own, group) = (_weights[head], _weights[head].FirstOrDefault()?.Length ?? 0);
        var flat = new float[group * Rows];
        for (var query = Math.Max(0, own.Length - observed); query < own.Length; query++)
        {
            for (var i = 0; i < group; i++)
                own[query][i].CopyTo(flat, i * Rows);
            var position = Rows - own.Length + query;
            _selectors[head].ObserveQueries(position, _queries[head][query]);
            // In two pieces, as rows come.
            var half = (position + 1) / 2;
            _selectors[head].Observe(position, new RowSet(0, half), flat, Rows);
            _selectors[head].Observe(position, new RowSet(half, position + 1 - half), flat.AsSpan(half), Rows);
        }

        _selectors[head].EndPrompt(Head(head));
    }
}
