using Kvasir.Attention;
using Kvasir.Attention.Indexes;

namespace Kvasir.Test.Attention.Indexes;

/// <summary>The stop rule of PSA by itself, on the example of the paper's Fig. 4 and others.</summary>
public sealed class BlockProgressTest
{
    private const int Blocks = 16;
    private const int BlockRows = 4;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void WithSortedTrueMassesTheSmallestTimesWhatIsLeftIsASafeBound(int seed)
    {
        var random = new Random(seed);
        for (var trial = 0; trial < 200; trial++)
        {
            var masses = Enumerable.Range(0, Blocks).Select(_ => MathF.Exp(4 * random.NextSingle())).OrderDescending().ToArray();
            var (taken, coverage) = Read(masses, static i => -i, TailEstimate.MinTimesLeft, group: 2, until: 0.9f);
            Assert.True(masses.Take(taken).Sum() >= 0.9f * masses.Sum() * 0.9999f, $"seed {seed}, trial {trial}: {taken} blocks, {coverage}");
        }
    }

    [Fact]
    public void GroupsOfFourStopAtTheThirdAsInFigure4()
    {
        // The masses of the figure's twelve blocks; what is left after them weighs a fiftieth of all, as its last test says.
        float[] masses = [98, 84, 68, 55, 31, 22, 15, 10, 8.2f, 6.1f, 4.9f, 4.3f, 2.1f, 2.1f, 2.1f, 2f];
        Assert.Equal(12, Read(masses, static i => -i, TailEstimate.MinTimesLeft, group: 4, until: 0.95f).Taken);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void EveryEstimateReadsEverythingForACoverageOfOne(int estimate)
    {
        var masses = Enumerable.Range(0, Blocks).Select(static i => 1f + i).ToArray();
        Assert.Equal((Blocks, 1f), Read(masses, static i => i % 5, (TailEstimate)estimate, group: 3, until: 1));
    }

    [Fact]
    public void AFittedLineKnowsATailThatFallsWithTheScore()
    {
        // log mass = score: what is left is known exactly after a few blocks.
        var masses = Enumerable.Range(0, Blocks).Select(static i => MathF.Exp(-i)).ToArray();
        var (taken, coverage) = Read(masses, static i => -i, TailEstimate.Fit, group: 4, until: 0.97f);
        Assert.Equal(4, taken);
        Assert.Equal(masses.Take(4).Sum() / masses.Sum(), coverage, 1e-4f);
    }

    /// <summary>Reads blocks of the given masses in the order of their scores until the estimated coverage is reached.</summary>
    private static (int Taken, float Coverage) Read(float[] masses, Func<int, int> score, TailEstimate estimate, int group, float until)
    {
        using var scratch = new SelectorScratch(1, 1024);
        var progress = new BlockProgress(1);
        progress.Begin(scratch, first: 1, masses.Length, BlockRows);
        for (var block = 0; block < masses.Length; block++)
            progress.HeadScores[block] = score(block);
        progress.Rank();
        var selection = new KvSelection(1024);
        var (max, mass) = (new[] { 0f }, new[] { 0f });
        while (true)
        {
            selection.Clear();
            progress.Take(group, selection);
            var weights = selection.Rows.ToArray().Select(row => masses[row / BlockRows - 1] / BlockRows).ToArray();
            // In two pieces, which may part a block.
            progress.Add(0, weights.Length / 3, weights, weights.Length, max);
            progress.Add(weights.Length / 3, weights.Length - (weights.Length / 3), weights.AsSpan(weights.Length / 3), weights.Length, max);
            mass[0] += weights.Sum();
            var coverage = progress.Coverage(new SoftmaxSum(max, mass, new float[1]), estimate, group);
            if (progress.Left == 0 || coverage > until)
                return (progress.Taken, coverage);
        }
    }
}
