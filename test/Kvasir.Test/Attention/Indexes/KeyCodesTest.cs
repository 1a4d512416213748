using Kvasir.Attention;
using Kvasir.Attention.Indexes;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Attention.Indexes;

public sealed class KeyCodesTest
{
    [Theory]
    [InlineData(1, 0.8)]
    [InlineData(2, 0.93)]
    [InlineData(4, 0.99)]
    public void CodedScoresFollowTheScores(int bits, double least)
    {
        foreach (var dim in new[] { 8, 17, 64 })
        {
            var place = new HeadPlace(0, 1, 0, 1, dim, 1000);
            using var rows = new LoneHead(place, rowCount: 1000, seed: dim);
            using var codes = new KeyCodes(bits, place);
            Build(codes, rows, 1000);
            Assert.Equal(1000, codes.Count);
            var queries = Query(dim);
            var (scores, exact) = (new ushort[1024], new float[1000]);
            var unit = codes.Score(queries, 0, 16, scores, 1024);
            AttentionScores.Rows(queries, rows.Head.Keys, new RowSet(0, 1000), 1, exact, 1000);
            Assert.InRange(Correlation([.. scores.Take(1000).Select(score => (double)score * (1 << unit))], [.. exact.Select(static x => (double)x)]), least, 1);

            // A part of the groups has the scores of the whole.
            var part = new ushort[192];
            codes.Score(queries, 3, 3, part, 192);
            Assert.Equal(scores[192..384], part);
        }
    }

    [Fact]
    public void RowsThatAreForgottenAndAddedAgainHaveTheSameCodes()
    {
        var place = new HeadPlace(0, 1, 0, 1, 16, 300);
        using var rows = new LoneHead(place, rowCount: 300, seed: 3);
        using var codes = new KeyCodes(1, place);
        codes.Append(rows.Head, rows.Head.RowCount);
        Assert.Equal(0, codes.Count);
        Build(codes, rows, 120);
        var (before, after) = (new ushort[320], new ushort[320]);
        codes.Score(Query(16), 0, 5, before, 320);
        codes.Truncate(130);
        Assert.Equal(130, codes.Count);
        codes.Append(rows.Head, rows.Head.RowCount);
        codes.Score(Query(16), 0, 5, after, 320);
        Assert.Equal(before[..300], after[..300]);
        // Of those it was learnt from, none may go.
        codes.Truncate(119);
        Assert.Equal((0, 0), (codes.Count, codes.Bytes));
    }

    [Fact]
    public void EqualKeysScoreTheSame()
    {
        var place = new HeadPlace(0, 1, 0, 1, 8, 64);
        using var rows = new LoneHead(place, rowCount: 64, seed: 4, keyScale: 0);
        using var codes = new KeyCodes(2, place);
        Build(codes, rows, 64);
        var scores = new ushort[64];
        Assert.Equal(0, codes.Score(Query(8), 0, 1, scores, 64));
        Assert.All(scores, score => Assert.Equal(scores[0], score));
    }

    private static void Build(KeyCodes codes, LoneHead rows, int learntRows)
    {
        codes.Learn(learntRows, learntRows);
        codes.Build(rows.Head, codes.RowsWaiting);
        Assert.Equal((learntRows, 0), (codes.Count, codes.RowsWaiting));
        codes.Append(rows.Head, rows.Head.RowCount);
    }

    private static float[] Query(int dim) => [.. Enumerable.Range(0, dim).Select(static i => MathF.Sin(1 + 3 * i))];

    private static double Correlation(double[] x, double[] y)
    {
        var (meanX, meanY) = (x.Average(), y.Average());
        return x.Zip(y).Sum(pair => (pair.First - meanX) * (pair.Second - meanY))
            / Math.Sqrt(x.Sum(value => (value - meanX) * (value - meanX)) * y.Sum(value => (value - meanY) * (value - meanY)));
    }
}
