using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Kernels.Attention;

public sealed class AttentionTest
{
    private const float Scale = 0.37f;
    private const float Before = 0.75f;
    private const float Untouched = 12345f;

    public static TheoryData<KvFormat, int> Formats()
    {
        var data = new TheoryData<KvFormat, int>();
        KvFormat[] pairs = [KvFormat.Pair(KvFormat.Q8, KvFormat.BF16), KvFormat.Pair(KvFormat.BF16, KvFormat.Q8), KvFormat.Pair(KvFormat.F32, KvFormat.Int8)];
        foreach (var type in KvFormat.Table.Concat(pairs))
        {
            foreach (var dim in (int[])[1, 33, 64, 80, 96, 100, 128, 256])
                data.Add(type, dim);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void RangesMatchDoublePrecision(KvFormat type, int dim)
    {
        var random = new Random(dim);
        foreach (var queryCount in (int[])[1, 3, 4, 7, 8, 16, 29, 100])
        {
            var count = queryCount == 100 ? 40 : random.Next(1, 90);
            using var attention = new AttentionCase(type, dim, queryCount, [.. Enumerable.Range(random.Next(70), count)], seed: 1000 * dim + queryCount);
            CheckEveryVariant(attention, asList: false);
        }
    }

    [Theory]
    [Trait("Needs", "Seconds")]
    [MemberData(nameof(Formats))]
    public void ListsMatchDoublePrecision(KvFormat type, int dim)
    {
        var random = new Random(dim);
        foreach (var queryCount in (int[])[1, 4, 7, 8, 30])
        {
            // In no order, with repeats, near and far.
            int[] rows = [.. Enumerable.Range(0, random.Next(1, 70)).Select(i => i % 9 == 3 ? 5 : random.Next(i % 2 == 0 ? 40 : 900))];
            using var attention = new AttentionCase(type, dim, queryCount, rows, seed: 2000 * dim + queryCount);
            CheckEveryVariant(attention, asList: true);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(40)]
    public void FewestRowsWork(int queryCount)
    {
        for (var count = 1; count <= 6; count++)
        {
            using var attention = new AttentionCase(KvFormat.BF16, 64, queryCount, [.. Enumerable.Range(31, count)], seed: count);
            CheckEveryVariant(attention, asList: false);
        }

        using var single = new AttentionCase(KvFormat.Q8, 64, queryCount, [777], seed: 9);
        CheckEveryVariant(single, asList: true);
    }

    [Fact]
    public void PublicEntriesGiveWhatTheVariantsGive()
    {
        using var attention = new AttentionCase(KvFormat.BF16, 128, 4, [.. Enumerable.Range(17, 60)], seed: 3);
        var scores = new float[attention.QueryCount * attention.Stride];
        AttentionScores.Rows(attention.Queries, attention.Pages.Keys, new RowSet(17, 60), Scale, scores, attention.Stride);
        attention.RequireScores(scores, Scale, "Range");
        Array.Clear(scores);
        AttentionScores.Rows(attention.Queries, attention.Pages.Keys, new RowSet(attention.Rows), Scale, scores, attention.Stride);
        attention.RequireScores(scores, Scale, "List");

        var outputs = new float[attention.QueryCount * attention.Dim];
        AttentionValues.Rows(attention.Weights, attention.Stride, attention.Pages.Values, new RowSet(17, 60), outputs);
        attention.RequireOutputs(outputs, 0, "Range");
        Array.Clear(outputs);
        AttentionValues.Rows(attention.Weights, attention.Stride, attention.Pages.Values, new RowSet(attention.Rows), outputs);
        attention.RequireOutputs(outputs, 0, "List");
    }

    [Fact]
    public void NoRowsAndNoQueriesWriteNothing()
    {
        using var pages = new PoisonedPages(KvFormat.F32, 8, 4, 8, new Random(1));
        float[] scores = [Untouched];
        AttentionScores.Rows(new float[8], pages.Keys, new RowSet(3, 0), 1, scores, 0);
        AttentionScores.Rows(new float[8], pages.Keys, new RowSet(ReadOnlySpan<int>.Empty), 1, scores, 0);
        AttentionScores.Rows([], pages.Keys, new RowSet(0, 8), 1, scores, 8);
        Assert.Equal(Untouched, scores[0]);
        var outputs = new float[8];
        AttentionValues.Rows([], 0, pages.Values, new RowSet(3, 0), outputs);
        AttentionValues.Rows([], 0, pages.Values, new RowSet(ReadOnlySpan<int>.Empty), outputs);
        AttentionValues.Rows([], 8, pages.Values, new RowSet(0, 8), []);
        Assert.All(outputs, o => Assert.Equal(0, o));
    }

    [Fact]
    public void RowsOutsideThePagesAndShortBuffersThrow()
    {
        using var pages = new PoisonedPages(KvFormat.BF16, 16, 8, 16, new Random(1));
        var query = new float[16];
        Assert.Throws<IndexOutOfRangeException>(() => AttentionScores.Rows(query, pages.Keys, new RowSet(10, 7), 1, new float[7], 7));
        Assert.Throws<IndexOutOfRangeException>(() => AttentionScores.Rows(query, pages.Keys, new RowSet([3, -1]), 1, new float[2], 2));
        Assert.Throws<IndexOutOfRangeException>(() => AttentionValues.Rows(new float[1], 1, pages.Values, new RowSet([16]), new float[16]));
        Assert.Throws<ArgumentException>(() => AttentionScores.Rows(query, pages.Keys, new RowSet(0, 4), 1, new float[3], 4));
        Assert.Throws<ArgumentException>(() => AttentionScores.Rows(new float[17], pages.Keys, new RowSet(0, 4), 1, new float[4], 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => AttentionScores.Rows(query, pages.Keys, new RowSet(0, 4), 1, new float[4], 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => AttentionScores.Rows(query, pages.Keys, new RowSet(-1, 4), 1, new float[4], 4));
        Assert.Throws<ArgumentException>(() => AttentionValues.Rows(new float[3], 4, pages.Values, new RowSet(0, 4), new float[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => KvFormat.F32.Page(8, 12).Keys([]));
        Assert.Throws<ArgumentOutOfRangeException>(() => PagedRows.Alone([], 16, RowCodec.F32, PagedRows.MaxDim + 1));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(64)]
    public void NothingIsAllocated(int queryCount)
    {
        using var attention = new AttentionCase(KvFormat.BF16, 128, queryCount, [.. Enumerable.Range(0, 100)], seed: 4);
        var scores = new float[attention.QueryCount * attention.Stride];
        var outputs = new float[attention.QueryCount * attention.Dim];
        Step();
        Assert.Equal(0, AllocatedBytes.Of(Step));

        void Step()
        {
            AttentionScores.Rows(attention.Queries, attention.Pages.Keys, new RowSet(0, 100), Scale, scores, attention.Stride);
            AttentionScores.Rows(attention.Queries, attention.Pages.Keys, new RowSet(attention.Rows), Scale, scores, attention.Stride);
            AttentionValues.Rows(attention.Weights, attention.Stride, attention.Pages.Values, new RowSet(0, 100), outputs);
            AttentionValues.Rows(attention.Weights, attention.Stride, attention.Pages.Values, new RowSet(attention.Rows), outputs);
        }
    }

    private static void CheckEveryVariant(AttentionCase attention, bool asList)
    {
        var rows = asList ? new RowSet(attention.Rows) : new RowSet(attention.Rows[0], attention.Rows.Length);
        foreach (var variant in AttentionScores.Variants.Where(v => v.IsSupported))
        {
            var scores = new float[attention.QueryCount * attention.Stride];
            Array.Fill(scores, Untouched);
            variant.Run(attention.Queries, attention.Pages.Keys, rows, Scale, scores, attention.Stride);
            attention.RequireScores(scores, Scale, variant.Name);
            for (var q = 0; q < attention.QueryCount; q++)
                Assert.All(scores[(q * attention.Stride + attention.Rows.Length)..((q + 1) * attention.Stride)], s => Assert.Equal(Untouched, s));
        }

        foreach (var variant in AttentionValues.Variants.Where(v => v.IsSupported))
        {
            var outputs = new float[attention.QueryCount * attention.Dim];
            Array.Fill(outputs, Before);
            variant.Run(attention.Weights, attention.Stride, attention.Pages.Values, rows, outputs);
            attention.RequireOutputs(outputs, Before, variant.Name);
        }
    }
}
