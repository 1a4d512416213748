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
    public void ABudgetIsTheTimeThatIsLeftOverTheMeanOfARowAndAtLeast64()
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
        Assert.Equal(64, budget.Rows(60_000, 496));
        Assert.Equal(64, budget.Rows(100_000, 496));
        Assert.Equal(224, budget.Rows(1000, 496));
        // Few rows say more of the weights than of themselves.
        budget.Observe(decodeRows: 0, promptRows: 3, depth: 1, ms: 5000);
        Assert.Equal(224, budget.Rows(0, 496));
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
