using Kvasir.Attention;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Kernels.Attention;

/// <summary>Whole pages of few bits, as a cache writes them: every form of the kernels against what rows say when they are read one by one.</summary>
public sealed class PackedRowsTest
{
    private const int Rows = 333;

    [Theory]
    [InlineData("kivi4", 33, 1)]
    [InlineData("kivi4", 64, 3)]
    [InlineData("kivi4", 128, 4)]
    [InlineData("kivi4", 256, 7)]
    [InlineData("quantspec", 33, 1)]
    [InlineData("quantspec", 64, 4)]
    [InlineData("quantspec", 128, 3)]
    [InlineData("quantspec", 256, 7)]
    [InlineData("kivi2", 64, 2)]
    [InlineData("kivi2", 128, 1)]
    [InlineData("kivi2", 128, 7)]
    [InlineData("kivi2", 256, 4)]
    public void EveryFormAgreesWithTheRows(string format, int dim, int group)
    {
        var seed = dim + group;
        var random = new Random(seed);
        using var head = new TestHead(new HeadPlace(0, 1, 0, group, dim, Rows), KvFormat.Find(format)!);
        Assert.True(head.Rows.TryReserve(Rows));
        for (var row = 0; row < Rows; row++)
            head.Rows.Append(TestHead.Normal(random, dim), TestHead.Normal(random, dim));
        var (queries, weights) = (TestHead.Normal(random, group * dim), Array.ConvertAll(TestHead.Normal(random, group * Rows), Math.Abs));
        var (keys, values) = (Decoded(head.Rows.Keys, dim), Decoded(head.Rows.Values, dim));
        foreach (var (first, count) in new[] { (0, Rows), (32, 64), (5, 300), (160, 33) })
        {
            foreach (var variant in AttentionScores.Variants.Where(static variant => variant.IsSupported))
            {
                var scores = new float[group * count];
                variant.Run(queries, head.Rows.Keys, new RowSet(first, count), 1, scores, count);
                for (var i = 0; i < scores.Length; i++)
                {
                    var expected = Enumerable.Range(0, dim).Sum(d => (double)queries[(i / count * dim) + d] * keys[first + (i % count)][d]);
                    Assert.True(Math.Abs(expected - scores[i]) < 5e-5 * dim, $"{variant.Name}, seed {seed}, rows from {first}, score {i}: {scores[i]}, not {expected}");
                }
            }

            foreach (var variant in AttentionValues.Variants.Where(static variant => variant.IsSupported))
            {
                var outputs = new float[group * dim];
                variant.Run(weights, Rows, head.Rows.Values, new RowSet(first, count), outputs);
                for (var i = 0; i < outputs.Length; i++)
                {
                    var expected = Enumerable.Range(0, count).Sum(row => (double)weights[(i / dim * Rows) + row] * values[first + row][i % dim]);
                    Assert.True(Math.Abs(expected - outputs[i]) < 5e-3, $"{variant.Name}, seed {seed}, rows from {first}, output {i}: {outputs[i]}, not {expected}");
                }
            }
        }
    }

    private static float[][] Decoded(PagedRows rows, int dim)
    {
        var decoded = new float[Rows][];
        for (var row = 0; row < Rows; row++)
            rows.Decode(row, decoded[row] = new float[dim]);
        return decoded;
    }
}
