using Kvasir.Attention;
using Kvasir.Attention.Observation;
using Kvasir.Kernels.Attention;

namespace Kvasir.Test.Attention.Observation;

public sealed class TopRowsTest
{
    private static readonly HeadPlace Place = new(0, 1, 0, 1, 8, 10000);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(16, 5)]
    [InlineData(17, 17)]
    [InlineData(17, 0)]
    [InlineData(4096, 400)]
    [InlineData(10000, 999)]
    public void ChoiceEqualsSortingWhateverWasChosenBefore(int rowCount, int count)
    {
        const int Seed = 3;
        var random = new Random(Seed);
        using var attention = new DecayedAttention(Place);
        attention.Append(0, rowCount);
        var (top, sums) = (new TopRows(), new double[rowCount]);
        for (var step = 0; step < 30; step++)
        {
            // Many equal ones, and sometimes a jump that leaves the last threshold far behind.
            var weights = Enumerable.Range(0, rowCount).Select(_ => (step % 10 == 9 ? 50 : 1) * (random.Next(4) == 0 ? random.Next(100) / 64f : 0)).ToArray();
            attention.Begin(rowCount - 1, int.MaxValue);
            attention.Add(new RowSet(0, rowCount), weights, rowCount, [1]);
            for (var row = 0; row < rowCount; row++)
                sums[row] += weights[row];
            var first = Math.Min(step, rowCount);
            var expected = Enumerable.Range(first, rowCount - first).OrderByDescending(row => sums[row]).ThenByDescending(static row => row).Take(count).Order();
            Assert.True(expected.SequenceEqual(Chosen(top, attention, (first, rowCount), count)), $"step {step}, seed {Seed}");
        }
    }

    [Fact]
    public void SumsThatAreNotNumbersAreNotChosen()
    {
        using var attention = new DecayedAttention(Place);
        attention.Append(0, 20);
        attention.Begin(19, 4);
        attention.Add(new RowSet(0, 20), [.. Enumerable.Repeat(float.NaN, 18), 1, 2], 20, [1]);
        Assert.Equal([18, 19], Chosen(new TopRows(), attention, (0, 20), 5));
    }

    private static int[] Chosen(TopRows top, CollectedAttention attention, (int First, int End) among, int count)
    {
        using var scratch = new SelectorScratch(1, Place.MaxRows);
        var selection = new KvSelection(Place.MaxRows);
        top.Select(attention, among, count, scratch, selection);
        return [.. selection.Ranges.ToArray().SelectMany(static range => Enumerable.Range(range.First, range.Count)), .. selection.Rows];
    }
}
