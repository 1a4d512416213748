using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Attention;

/// <summary>Random queries of consecutive positions over random rows, and what they attend to in f64.</summary>
internal sealed class TileCase(KvType type, int dim, CausalView view, int positions, int seed, float queryScale = 1)
{
    public void Check()
    {
        if (!TileAttention.Supports(type))
            return;
        var random = new Random(seed);
        var (count, end) = (positions * view.GroupHeads, view.FirstPosition + positions);
        using var pages = new PoisonedPages(type, dim, 32, end, random);
        var (keys, values) = (Rows(pages, random, values: false, end), Rows(pages, random, values: true, end));
        var queries = AttentionCase.Normal(random, count * dim);
        for (var i = 0; i < queries.Length; i++)
            queries[i] *= queryScale / MathF.Sqrt(dim);
        using var scratch = new NativeBuffer(TileAttention.ScratchBytes(dim, count));
        scratch.Span<byte>((int)scratch.Bytes).Fill(0xFF);
        var outputs = new float[count * dim];
        TileAttention.Run(queries, pages.Keys, pages.Values, view, scratch.View, outputs);
        var worst=0.0;
        for (var query = 0; query < count; query++)
        {
            var position = view.FirstPosition + query / view.GroupHeads;
            var first = view.WindowTokens is { } window ? Math.Max(0, position - window + 1) : 0;
            var scores = Enumerable.Range(first, position + 1 - first).Select(row => Dot(queries.AsSpan(query * dim, dim), keys[row])).ToArray();
            var max = scores.Max();
            var weights = scores.Select(score => Math.Exp(score - max)).ToArray();
            var mass = weights.Sum();
            for (var d = 0; d < dim; d++)
            {
                var expected = 0.0; var noise = 0.0; var at=0.0;
                for (var i = 0; i < weights.Length; i++){
                    expected += weights[i] / mass * values[first + i][d];
                    noise += Math.Pow(weights[i] / mass * values[first + i][d],2);
                    at+=Math.Abs(weights[i] / mass * values[first + i][d]);}
                var err=Math.Abs(outputs[query * dim + d]-expected);
                worst=Math.Max(worst,err/(at+1e-30));
                if (!(err <= at/100+1e-6)) Assert.Fail($"{type} dim {dim} {view} query {query} d {d}: {outputs[query*dim+d]} instead of {expected}");
            }
        }
        Console.WriteLine($"{type} {dim} {view} {positions}: {worst}");
    }

    private float[][] Rows(PoisonedPages pages, Random random, bool values, int count) =>
        [.. Enumerable.Range(0, count).Select(row => pages.Write(values, row, AttentionCase.Normal(random, dim)))];

    private static double Dot(ReadOnlySpan<float> x, float[] y)
    {
        var sum = 0.0;
        for (var i = 0; i < y.Length; i++)
            sum += (double)x[i] * y[i];
        return sum;
    }
}
