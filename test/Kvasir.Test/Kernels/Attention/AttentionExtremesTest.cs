using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Kernels.Attention;

/// <summary>q8 rows and weights at the ends of what their integers can hold, in every variant against sums in double precision.</summary>
public sealed class AttentionExtremesTest
{
    private const int Rows = 150;
    private const int Dim = 72;
    private const int Queries = 3;

    public static TheoryData<string> Weightings() => ["one", "equal", "zeros", "tiny", "tinier", "spread", "masked", "huge", "negative zeros"];

    [Theory]
    [MemberData(nameof(Weightings))]
    public void OutputsMatchDoublePrecisionForAnyWeights(string weighting)
    {
        using var pages = Pages(out var values, row: static (row, r) => row);
        var random = new Random(7);
        var weights = new float[Queries * Rows];
        for (var i = 0; i < weights.Length; i++)
            weights[i] = Weight(weighting, i % Rows, random);
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[Queries * Dim];
            variant.Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            for (var q = 0; q < Queries; q++)
            {
                var own = weights.AsSpan(q * Rows, Rows).ToArray();
                var largest = own.Select((w, r) => (double)w * values[r].Max(MathF.Abs)).Max();
                for (var d = 0; d < Dim; d++)
                {
                    var expected = own.Select((w, r) => (double)w * values[r][d]).Sum();
                    var size = own.Select((w, r) => Math.Abs((double)w * values[r][d])).Sum();
                    RequireNear(outputs[q * Dim + d], expected, 3e-6 * size + 1e-4 * largest, $"{weighting}, {variant}, ({q}, {d})");
                }
            }
        }
    }

    [Fact]
    public void OneWeightAloneGivesItsRow()
    {
        using var pages = Pages(out var values, row: static (row, r) => row);
        var weights = new float[Queries * Rows];
        for (var q = 0; q < Queries; q++)
            weights[q * Rows + 100 + q] = 1;
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[Queries * Dim];
            variant.Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            for (var i = 0; i < outputs.Length; i++)
            {
                var row = values[100 + i / Dim];
                RequireNear(outputs[i], row[i % Dim], 8e-6 * row.Max(MathF.Abs), $"{variant}, {i}");
            }
        }
    }

    [Fact]
    public void RowsOfZerosCountForNothing()
    {
        using var pages = Pages(out var values, row: static (row, r) => r % 5 == 2 ? row : new float[Dim]);
        var weights = Enumerable.Repeat(0.5f, Rows).ToArray();
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[Dim];
            variant.Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            for (var d = 0; d < Dim; d++)
                RequireNear(outputs[d], values.Sum(v => 0.5 * v[d]), 2e-4, $"{variant}, {d}");
            var scores = new float[Rows];
            AttentionScores.Variants.First(v => v.Name == variant.Name).Run(values[2], pages.Keys, new RowSet(0, Rows), 1, scores, Rows);
            Assert.Equal(0, scores[3]);
            Assert.True(scores[2] > 0);
        }
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    public void NaNRowsAreNotHidden(float weight)
    {
        using var pages = Pages(out _, row: static (row, r) =>
        {
            row[40] = r == 77 ? float.NaN : row[40];
            return row;
        });
        var weights = Enumerable.Repeat(0.25f, Rows).ToArray();
        weights[77] = weight;
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[Dim];
            variant.Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            for (var d = 0; d < Dim; d++)
                Assert.Equal(d / 32 == 1, float.IsNaN(outputs[d]));
            var scores = new float[Rows];
            AttentionScores.Variants.First(v => v.Name == variant.Name).Run(new float[Dim], pages.Keys, new RowSet(0, Rows), 1, scores, Rows);
            for (var r = 0; r < Rows; r++)
                Assert.Equal(r == 77, float.IsNaN(scores[r]));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NaNAndInfiniteWeightsAndQueriesAreNotHidden(float bad)
    {
        using var pages = Pages(out _, row: static (row, r) => row);
        var weights = Enumerable.Repeat(0.25f, Queries * Rows).ToArray();
        weights[Rows + 100] = bad;
        var queries = Enumerable.Repeat(0.25f, Queries * Dim).ToArray();
        queries[Dim + 10] = bad;
        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[Queries * Dim];
            variant.Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            for (var d = 0; d < Dim; d++)
                Assert.True(float.IsFinite(outputs[d]) && !float.IsFinite(outputs[Dim + d]) && float.IsFinite(outputs[2 * Dim + d]));
            var scores = new float[Queries * Rows];
            AttentionScores.Variants.First(v => v.Name == variant.Name).Run(queries, pages.Keys, new RowSet(0, Rows), 1, scores, Rows);
            for (var r = 0; r < Rows; r++)
                Assert.True(float.IsFinite(scores[r]) && float.IsNaN(scores[Rows + r]) && float.IsFinite(scores[2 * Rows + r]));
        }
    }

    // All bytes at their ends: the largest integers that sums must hold.
    [Theory]
    [InlineData(1f, 1f)]
    [InlineData(-1f, 1f)]
    [InlineData(1f, -1f)]
    [InlineData(-1f, -1f)]
    public void LargestIntegersDoNotOverflow(float key, float query)
    {
        const int Wide = 1024;
        using var pages = new PoisonedPages(KvFormat.Q8, Wide, 32, Rows, new Random(1));
        for (var r = 0; r < Rows; r++)
        {
            pages.Write(values: false, r, [.. Enumerable.Repeat(key * 127, Wide)]);
            pages.Write(values: true, r, [.. Enumerable.Repeat(key * 127, Wide)]);
        }

        var queries = Enumerable.Repeat(query, Wide).ToArray();
        var weights = Enumerable.Repeat(1f, Rows).ToArray();
        foreach (var variant in AttentionScores.Variants.Where(v => v.IsSupported))
        {
            var scores = new float[Rows];
            variant.Run(queries, pages.Keys, new RowSet(0, Rows), 1, scores, Rows);
            Assert.All(scores, s => RequireNear(s, key * query * 127 * Wide, 0.5, variant.Name));
            var outputs = new float[Wide];
            AttentionValues.Variants.First(v => v.Name == variant.Name).Run(weights, Rows, pages.Values, new RowSet(0, Rows), outputs);
            Assert.All(outputs, o => RequireNear(o, key * 127 * Rows, 0.05, variant.Name));
        }
    }

    private static float Weight(string weighting, int row, Random random) => weighting switch
    {
        "one" => row == 70 ? 1e6f : 1e-3f * random.NextSingle(),
        "equal" => 1f / Rows,
        "zeros" => 0,
        "tiny" => 1e-28f * random.NextSingle(),
        "tinier" => 1e-36f * random.NextSingle(),
        "spread" => MathF.Exp(-40 * random.NextSingle()),
        "masked" => row % 3 == 0 ? random.NextSingle() : 0,
        "huge" => 1e30f * random.NextSingle(),
        _ => row % 2 == 0 ? -0f : 1,
    };

    private static PoisonedPages Pages(out float[][] values, Func<float[], int, float[]> row)
    {
        var random = new Random(3);
        var pages = new PoisonedPages(KvFormat.Q8, Dim, 32, Rows, random);
        values = new float[Rows][];
        for (var r = 0; r < Rows; r++)
        {
            pages.Write(values: false, r, row(AttentionCase.Normal(random, Dim), r));
            values[r] = pages.Write(values: true, r, row(AttentionCase.Normal(random, Dim), r));
        }

        return pages;
    }

    private static void RequireNear(float actual, double expected, double tolerance, string what) =>
        Assert.True(Math.Abs(actual - expected) <= tolerance, $"{what}: {actual} instead of {expected}");
}
