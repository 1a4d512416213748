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
    [InlineData(3)]
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

    [Fact]
    public void BlocksThatWereDrawnStandForThoseThatAreLeft()
    {
        // 400 blocks, of which the ranking knows little: the first eight are read for their scores, some are probed, and as many drawn as an error of a tenth needs.
        var random = new Random(4);
        var masses = Enumerable.Range(0, 400).Select(_ => MathF.Exp(random.NextSingle() * 2)).ToArray();
        var (all, sum, off, most) = (masses.Sum(), 0.0, 0, 0);
        for (var seed = 0; seed < 1000; seed++)
        {
            var (estimate, taken) = Sampled(masses, (ulong)seed, part: 0.1f);
            sum += estimate / all / 1000;
            off += Math.Abs(estimate - all) > 0.1 * all ? 1 : 0;
            most = Math.Max(most, taken);
        }

        Assert.Equal(1, sum, 0.005);
        // Once in three; and 0.045 are three deviations of what a thousand trials count.
        Assert.InRange(off / 1000.0, 0, 0.365);
        Assert.InRange(most, 30, 300);
    }

    [Fact]
    public void WhatWasReadForItsScoreIsNeitherDrawnNorProbedAnyMore()
    {
        var masses = Enumerable.Range(0, 100).Select(static i => i < 50 ? 1000f : 1f).ToArray();
        using var scratch = new SelectorScratch(1, 1024);
        var progress = Begin(scratch, masses, static i => -i);
        var selection = new KvSelection(1024);
        progress.Take(4, selection);
        progress.Probe(seed: 9, selection);
        Assert.Equal((12, 8), (progress.Taken, progress.Drawn));
        Weigh(progress, selection, masses);
        selection.Clear();
        // Ranks 4 to 49, but for those that were probed.
        progress.Take(46, selection);
        var read = selection.Rows.ToArray().Select(static row => row / BlockRows - 1).ToHashSet();
        Weigh(progress, selection, masses);
        selection.Clear();
        Assert.Equal(progress.Left / 8f, progress.Draw(3, 10, selection));
        var drawn = selection.Rows.ToArray().Select(static row => row / BlockRows - 1).Distinct().ToArray();
        Assert.Equal(8, drawn.Length);
        Assert.DoesNotContain(drawn, block => read.Contains(block));
        Assert.DoesNotContain(drawn, static block => block < 4);
    }

    private static (double Estimate, int Taken) Sampled(float[] masses, ulong seed, float part)
    {
        using var scratch = new SelectorScratch(1, 4096);
        var progress = Begin(scratch, masses, static i => i % 7);
        var selection = new KvSelection(4096);
        progress.Take(8, selection);
        progress.Probe(seed, selection);
        var read = Weigh(progress, selection, masses);
        var needed = progress.Needed(new SoftmaxSum([0f], [(float)read], new float[1]), part);
        Assert.InRange(needed, 0.01f, 0.7f);
        selection.Clear();
        var weight = progress.Draw((int)MathF.Ceiling(needed * progress.Left), seed + 100_000, selection);
        return (read + (weight * Weigh(progress, selection, masses)), progress.Taken);
    }

    private static BlockProgress Begin(SelectorScratch scratch, float[] masses, Func<int, int> score)
    {
        var progress = new BlockProgress(1);
        progress.Begin(scratch, first: 1, masses.Length, BlockRows);
        for (var block = 0; block < masses.Length; block++)
            progress.HeadScores[block] = score(block);
        progress.Rank();
        return progress;
    }

    private static double Weigh(BlockProgress progress, KvSelection selection, float[] masses)
    {
        var weights = selection.Rows.ToArray().Select(row => masses[row / BlockRows - 1] / BlockRows).ToArray();
        progress.Add(0, weights.Length, weights, weights.Length, [0f]);
        return weights.Sum();
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
