using Kvasir.Requests;
using CsCheck;
using Kvasir.Requests.Scheduling;

namespace Kvasir.Test.Requests.Scheduling;

/// <summary>How the prompt rows of a step are shared, and how many there are.</summary>
public sealed class PromptSharesTest
{
    [Fact]
    public void SharesAreWithinWhatEachHasLeftAndWhatThereIsAndTheFirstHasHalf() =>
        Gen.Select(Gen.Int[1, 3000].Array[1, 8], Gen.Double[0.1, 30].Array[8], Gen.Int[1, 16]).Sample((left, costs, units) =>
        {
            var (rows, shares) = (units * PromptBudget.UnitRows, new int[left.Length]);
            PromptShares.Divide(left, costs.AsSpan(0, left.Length), rows, shares);
            Assert.All(shares.Zip(left), pair => Assert.InRange(pair.First, 0, pair.Second));
            Assert.InRange(shares.Sum(), 1, rows);
            Assert.True(shares[0] >= Math.Min(left[0], rows / 2), $"{shares[0]} of {rows} for the first, which has {left[0]} left");
            // With equal costs nothing is left lying while somebody could use it.
            var equal = new int[left.Length];
            PromptShares.Divide(left, Enumerable.Repeat(1.0, left.Length).ToArray(), rows, equal);
            Assert.Equal(Math.Min(rows, left.Sum()), equal.Sum());
            // Whoever of the others has fewer rows left goes first.
            for (var i = 1; i < left.Length; i++)
            {
                for (var j = 1; j < left.Length; j++)
                    Assert.False(left[i] < left[j] && equal[i] < left[i] && equal[j] > 0, $"{left[j]} rows were served before {left[i]}");
            }
        });

    [Fact]
    public void RowsThatCostMoreThanTheFirstsCountForAsMuchMore()
    {
        var shares = new int[2];
        PromptShares.Divide([20, 5000], [1, 10], 320, shares);
        Assert.Equal([20, 32], shares);
        PromptShares.Divide([20, 5000], [1, 5], 320, shares);
        Assert.Equal([20, 60], shares);
        PromptShares.Divide([5000, 5000], [10, 1], 320, shares);
        Assert.Equal([160, 160], shares);
    }

    [Fact]
    public void ABudgetIsTheTimeThatIsLeftOverTheMeanOfARow()
    {
        var budget = new PromptBudget(300);
        Assert.Equal(64, budget.Rows(0, 496));
        Assert.Equal(20, budget.Rows(0, 20));
        budget.Observe(decodeRows: 0, promptRows: 512, depth: 256, ms: 512);
        Assert.Equal(288, budget.Rows(0, 496));
        budget.Observe(decodeRows: 4, promptRows: 0, depth: 0, ms: 60);
        Assert.Equal(224, budget.Rows(0, 496));
        // Rows at a depth have a mean of their own, and unknown depths that of the nearest known.
        budget.Observe(decodeRows: 4, promptRows: 64, depth: 60_000, ms: 60 + (64 * 8));
        Assert.Equal(8, budget.RowMs(60_000));
        Assert.Equal(32, budget.Rows(60_000, 496));
        Assert.Equal(32, budget.Rows(100_000, 496));
        Assert.Equal(224, budget.Rows(1000, 496));
        // Few rows say more of the weights than of themselves.
        budget.Observe(decodeRows: 0, promptRows: 3, depth: 1, ms: 5000);
        Assert.Equal(224, budget.Rows(0, 496));
    }

    // A model of 16 layers and 2048 wide on two cores, by what was measured of it: 64 rows at a depth of 32k took 1.1 s of the 0.3 s that a step has.
    [Theory]
    [InlineData(300, 60, 1.5, 0.0005, 32_768)]
    [InlineData(300, 60, 1.5, 0.00012, 131_072)]
    [InlineData(100, 20, 0.4, 0.00005, 65_536)]
    public void NoStepOfALongPromptTakesTwiceItsTimeAndThePromptEnds(double stepMs, double decodeMs, double rowMs, double rowMsByDepth, int promptRows)
    {
        var (budget, steps, longest, fewest) = (new PromptBudget(stepMs), 0, 0.0, int.MaxValue);
        budget.Observe(decodeRows: 8, promptRows: 0, depth: 0, decodeMs);
        for (var depth = 0; depth < promptRows; steps++)
        {
            var rows = Math.Min(budget.Rows(depth, 496), promptRows - depth);
            var ms = decodeMs + (rows * (rowMs + (rowMsByDepth * depth)));
            budget.Observe(8, rows, depth + (rows / 2), ms);
            depth += rows;
            (longest, fewest) = (Math.Max(longest, ms), depth < promptRows ? Math.Min(fewest, rows) : fewest);
        }

        Assert.InRange(longest, stepMs / 2, 2 * stepMs);
        Assert.InRange(fewest, 16, 64);
        Assert.InRange(steps, 1, promptRows / 16);
    }

    [Fact]
    public void RowsThatComeCheaperAreAsManyAsBefore()
    {
        var budget = new PromptBudget(300);
        budget.Observe(decodeRows: 8, promptRows: 0, depth: 0, ms: 60);
        budget.Observe(decodeRows: 8, promptRows: 64, depth: 32_000, ms: 1160);
        Assert.Equal(16, budget.Rows(32_000, 496));
        // From 16 rows it learns as well, where others decode beside them: else it would never know better.
        for (var step = 0; step < 40; step++)
            budget.Observe(decodeRows: 8, promptRows: 16, depth: 32_000, ms: 60 + (16 * 2));
        Assert.Equal(96, budget.Rows(32_000, 496));
    }

    [Fact]
    public void RetryAfterIsFromOneToSixtySeconds()
    {
        var places = new PlaceEstimate();
        Assert.Equal(7, places.RetryAfter(0, 1, oldestMs: 6400).TotalSeconds);
        places.Mark(0);
        places.Mark(10_000);
        Assert.Equal((10, 20), (places.RetryAfter(10_000, 1, 0).TotalSeconds, places.RetryAfter(10_000, 2, 0).TotalSeconds));
        Assert.Equal((4, 1), (places.RetryAfter(16_500, 1, 0).TotalSeconds, places.RetryAfter(90_000, 1, 0).TotalSeconds));
        Assert.Equal(60, places.RetryAfter(10_000, 100, 0).TotalSeconds);
    }
}
