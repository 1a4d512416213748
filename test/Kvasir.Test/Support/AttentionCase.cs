using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Support;

/// <summary>One random problem: rows asked for, queries and weights, and both halves of attention computed in f64.</summary>
internal sealed class AttentionCase : IDisposable
{
    private const double Tolerance = 3e-6;

    private readonly KvFormat _type;
    private readonly float[][] _keys;
    private readonly float[][] _values;
    private readonly float[] _largest;
    private readonly Dictionary<float, (double Sum, double Size)[]> _scores = [];
    private (double Sum, double Size)[]? _outputs;

    public AttentionCase(KvFormat type, int dim, int queryCount, int[] rows, int seed)
    {
        var random = new Random(seed);
        _type = type;
        (Rows, QueryCount, Dim, Stride) = (rows, queryCount, dim, rows.Length + random.Next(5));
        Description = $"{type}, dim {dim}, {queryCount} queries, {rows.Length} rows, seed {seed}";
        Pages = new PoisonedPages(type, dim, 1 << random.Next(0, 7), rows.Append(0).Max() + 1 + random.Next(40), random);
        Queries = Normal(random, queryCount * dim);
        Weights = Normal(random, Math.Max(0, (queryCount - 1) * Stride + rows.Length));
        // Softmax makes no negative weights, and kernels may count on it as long as they are right with others.
        if (random.Next(3) > 0)
            Weights = Array.ConvertAll(Weights, Math.Abs);
        var seenKeys = Pages.Write(values: false, rows, () => Normal(random, dim));
        var seenValues = Pages.Write(values: true, rows, () => Normal(random, dim));
        (_keys, _values) = ([.. rows.Select(r => seenKeys[r])], [.. rows.Select(r => seenValues[r])]);
        _largest = [.. _values.Select(value => value.Max(MathF.Abs))];
    }

    public int[] Rows { get; }

    public int QueryCount { get; }

    public int Dim { get; }

    public int Stride { get; }

    public string Description { get; }

    public PoisonedPages Pages { get; }

    public float[] Queries { get; }

    public float[] Weights { get; }

    /// <summary>
    /// An f32 sum of n products may be off by n half-units in the last place of the sum of their sizes; typically it is far less. Queries
    /// that meet q8 keys are rounded to 16 bits of the largest of them.
    /// </summary>
    public void RequireScores(ReadOnlySpan<float> scores, float scale, string variant)
    {
        if (!_scores.TryGetValue(scale, out var expected))
            _scores[scale] = expected = Scores(scale);
        for (var q = 0; q < QueryCount; q++)
        {
            for (var i = 0; i < Rows.Length; i++)
            {
                var (sum, size) = expected[q * Rows.Length + i];
                if (!IsNear(scores[q * Stride + i], sum, size))
                    Assert.Fail($"{variant}, score ({q}, {i}): {scores[q * Stride + i]} instead of {sum} ({Description})");
            }
        }
    }

    /// <summary>
    /// Weights that meet q8 values are rounded to 16 bits of the largest product of a weight and its row's scale, half a unit of which is
    /// 7.7e-6 of it; the errors of many rows are not all of one sign.
    /// </summary>
    public void RequireOutputs(ReadOnlySpan<float> outputs, float before, string variant)
    {
        _outputs ??= Outputs();
        for (var q = 0; q < QueryCount; q++)
        {
            for (var d = 0; d < Dim; d++)
            {
                var (sum, size) = (_outputs[q * Dim + d].Sum + before, _outputs[q * Dim + d].Size + Math.Abs(before));
                if (!IsNear(outputs[q * Dim + d], sum, size))
                    Assert.Fail($"{variant}, output ({q}, {d}): {outputs[q * Dim + d]} instead of {sum} ({Description})");
            }
        }
    }

    public void Dispose() => Pages.Dispose();

    public static float[] Normal(Random random, int count)
    {
        var x = new float[count];
        for (var i = 0; i < count; i++)
            x[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
        return x;
    }

    private static bool IsNear(float actual, double expected, double size) => Math.Abs(actual - expected) <= Tolerance * size + 1e-30;

    // [query, row]: each score, and the sum of the sizes of its products.
    private (double Sum, double Size)[] Scores(float scale)
    {
        var scores = new (double Sum, double Size)[QueryCount * Rows.Length];
        for (var q = 0; q < QueryCount; q++)
        {
            var largest = Queries.AsSpan(q * Dim, Dim).ToArray().Max(MathF.Abs);
            for (var i = 0; i < Rows.Length; i++)
            {
                var (sum, size) = (0.0, 0.0);
                for (var d = 0; d < Dim; d++)
                {
                    // What codes are multiplied by and what is added are several times as large as elements, which are what is left of their difference.
                    if (_type.Keys.KeepsNewest)
                        size += 24 * Math.Abs(Queries[q * Dim + d]) * scale;
                    if (_type.Keys == RowCodec.Q8)
                        size += 6 * Math.Abs(_keys[i][d]) * largest * scale;
                    var product = (double)Queries[q * Dim + d] * _keys[i][d] * scale;
                    (sum, size) = (sum + product, size + Math.Abs(product));
                }

                scores[q * Rows.Length + i] = (sum, size);
            }
        }

        return scores;
    }

    // [query, dim]: what is added to what was there before.
    private (double Sum, double Size)[] Outputs()
    {
        const double HalfUnit = 7.7e-6;
        var errors = _type.Values == RowCodec.Q8 ? Math.Min(Rows.Length, 2 * Math.Sqrt(Rows.Length)) * HalfUnit / Tolerance : 0;
        var outputs = new (double Sum, double Size)[QueryCount * Dim];
        var packed = _type.Values.KeepsNewest;
        for (var q = 0; q < QueryCount; q++)
        {
            var largest = 0.0;
            for (var i = 0; i < Rows.Length; i++)
            {
                var weight = Weights[q * Stride + i];
                largest = Math.Max(largest, Math.Abs(weight) * _largest[i]);
                for (var d = 0; d < Dim; d++)
                {
                    var (product, (sum, size)) = ((double)weight * _values[i][d], outputs[q * Dim + d]);
                    outputs[q * Dim + d] = (sum + product, size + Math.Abs(product) + (packed ? 24 * Math.Abs(weight) : 0));
                }
            }

            for (var d = 0; d < Dim; d++)
                outputs[q * Dim + d].Size += errors * largest;
        }

        return outputs;
    }
}
