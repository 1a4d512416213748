using Kvasir.Attention;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Tools.Test.Evaluation.Tuning;

public sealed class BudgetSearchTest
{
    private static readonly IReadOnlyList<PolicyBudget> Shares = PolicyBudget.Of("share", 0.01, 0.02, 0.04, 0.08, 0.16);

    [Theory]
    [InlineData(0.02, 0, "share=0.02")]
    [InlineData(0.021, 0, "share=0.04")]
    [InlineData(0.021, 1, "share=0.0283")]
    [InlineData(0.021, 2, "share=0.0238")]
    [InlineData(0.03, 2, "share=0.0336")]
    [InlineData(0.03, 3, "share=0.0308")]
    [InlineData(0.16, 3, "share=0.16")]
    [InlineData(0.005, 3, "share=0.01")]
    public void TheSmallestBudgetThatKeepsTheTargetIsFound(double needed, int steps, string found)
    {
        var tried = new List<PolicyBudget>();
        Assert.Equal(found, $"{new BudgetSearch(needed, steps).Find(Shares, budget => Kept(budget, tried))}");
        Assert.Equal(tried.Count, tried.Select(Number).Distinct().Count());
        Assert.InRange(tried.Count, 1, Shares.Count + steps);
        // What reads more than the first of the list that keeps the target is never tried.
        Assert.All(tried, budget => Assert.True(Number(budget) <= Shares.Select(Number).First(share => share >= needed)));
    }

    [Fact]
    public void WhereNothingKeepsTheTargetAllOfTheListWasTried()
    {
        var tried = new List<PolicyBudget>();
        Assert.Null(new BudgetSearch(0.5, 5).Find(Shares, budget => Kept(budget, tried)));
        Assert.Equal(Shares, tried);
        Assert.Null(new BudgetSearch(0.5, 5).Find(Shares, static _ => double.NaN));
        Assert.Null(new BudgetSearch(0.5, 5).Find([], static _ => 1));
    }

    [Fact]
    public void ManyStepsEndWhereWholeNumbersDo()
    {
        var tried = new List<PolicyBudget>();
        Assert.Equal("recent=200", $"{new BudgetSearch(200, 20).Find(PolicyBudget.Of("recent", 128, 256), budget => Kept(budget, tried))}");
        Assert.InRange(tried.Count, 4, 11);
    }

    // Keeps as much as it reads.
    private static double Kept(PolicyBudget budget, List<PolicyBudget> tried)
    {
        tried.Add(budget);
        return Number(budget);
    }

    private static double Number(PolicyBudget budget) => Assert.Single(budget.Settings).Value;
}
