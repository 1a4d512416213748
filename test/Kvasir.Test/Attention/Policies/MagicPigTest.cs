using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention.Policies;

public sealed class MagicPigTest
{
    private static readonly HeadPlace Place = new(3, 8, 1, 2, 16, 512);

    [Fact]
    public void SumsOverWhatIsFoundAreUnbiasedOverThePlanes()
    {
        // Numerator and denominator of Horvitz and Thompson, 4 standard errors.
        const int Draws = 300;
        using var rows = new LoneHead(Place, rowCount: 256, seed: 21);
        var exact = rows.Sums(AllRows.Instance);
        var (mean, squares) = (new double[exact.Length], new double[exact.Length]);
        for (var draw = 0; draw < Draws; draw++)
        {
            using var selector = Selector($"magicpig:bits=4,tables=20,sinks=0,recent=1,seed={draw}", rows);
            var sums = rows.Sums(selector);
            for (var i = 0; i < sums.Length; i++)
                (mean[i], squares[i]) = (mean[i] + sums[i] / Draws, squares[i] + sums[i] * sums[i] / Draws);
        }

        for (var i = 0; i < mean.Length; i++)
        {
            var error = Math.Sqrt(Math.Max(0, squares[i] - mean[i] * mean[i]) / Draws);
            Assert.True(Math.Abs(mean[i] - exact[i]) <= 4.5 * error, $"sum {i}: {mean[i]} +- {error}, exactly {exact[i]}");
        }
    }

    [Fact]
    public void AnswersComeCloserTheMoreTablesThereAre()
    {
        using var rows = new LoneHead(Place, rowCount: 512, seed: 22);
        var exact = rows.Attend(AllRows.Instance);
        var errors = new[] { 10, 40, 160, 640 }.Select(tables => Enumerable.Range(0, 12).Average(seed =>
        {
            using var selector = Selector($"magicpig:bits=6,tables={tables},sinks=0,recent=1,seed={seed}", rows);
            return rows.Attend(selector).Zip(exact).Sum(static pair => Math.Abs(pair.First - pair.Second));
        })).ToArray();
        Assert.True(errors[0] > errors[1] && errors[1] > errors[2] && errors[2] > errors[3], string.Join(' ', errors));
        Assert.InRange(errors[3], 0, errors[0] / 10);
    }

    [Fact]
    public void GeneratedRowsAreHashedSegmentBySegment()
    {
        using var rows = new LoneHead(Place, rowCount: 500, seed: 23);
        using var selector = PolicyCatalog.Parse("magicpig:bits=5,tables=8,segment=64,sinks=4,recent=8,min-context=0").CreateSelector(Place);
        rows.AppendTo(selector, 0, 200);
        rows.EndPrompt(selector, 200);
        var promptBytes = selector.IndexBytes;
        // The first segment of KV head 1 in layer 3 of 8 has 50 / 128 of 64 rows; the others are whole.
        foreach (var (first, end, bytes) in new[] { (200, 225, 0L), (225, 289, Segment(25)), (289, 353, Segment(25) + Segment(64)) })
        {
            for (var row = first; row < end; row++)
            {
                Assert.Equal(promptBytes + bytes, selector.IndexBytes);
                rows.AppendTo(selector, row, 1);
            }
        }

        static long Segment(int rows) => Kvasir.Kernels.Hashing.HashTables.BytesFor(8, 5, rows) + rows * sizeof(float);

        using var faithful = PolicyCatalog.Parse("magicpig:bits=5,tables=8,segment=64,mode=faithful,min-context=0").CreateSelector(Place);
        rows.AppendTo(faithful, 0, 200);
        rows.EndPrompt(faithful, 200);
        var before = faithful.IndexBytes;
        rows.AppendTo(faithful, 200, 300);
        Assert.Equal(before, faithful.IndexBytes);
    }

    [Fact]
    public void ZeroKeysAndShortPromptsAreRight()
    {
        using var zeros = new LoneHead(Place, rowCount: 100, seed: 24, keyScale: 0);
        using var selector = Selector("magicpig:bits=10,tables=50,sinks=4,recent=16", zeros);
        Assert.All(zeros.Attend(selector), x => Assert.True(float.IsFinite(x)));
        foreach (var count in new[] { 1, 4, 19, 20, 21, 22 })
        {
            using var few = new LoneHead(Place, rowCount: count, seed: 25);
            using var own = Selector("magicpig:bits=1,tables=400,sinks=4,recent=16", few);
            var (exact, sampled) = (few.Attend(AllRows.Instance), few.Attend(own));
            for (var i = 0; i < exact.Length; i++)
                Assert.Equal(exact[i], sampled[i], 1e-4f);
        }
    }

    private static Selector Selector(string policy, LoneHead rows)
    {
        var selector = PolicyCatalog.Parse($"{policy},dense-layers=none,min-context=0").CreateSelector(Place);
        rows.AppendTo(selector, 0, rows.Head.RowCount);
        rows.EndPrompt(selector);
        return selector;
    }
}
