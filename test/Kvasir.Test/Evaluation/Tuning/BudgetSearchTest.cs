using System.Globalization;
using Kvasir.Attention;
using Kvasir.Evaluation.Tuning;

namespace Kvasir.Test.Evaluation.Tuning;

public sealed class BudgetSearchTest
{
    private static readonly string[] Shares = ["share=0.01", "share=0.02", "share=0.04", "share=0.08", "share=0.16"];

    [Theory]
    [InlineData("share=0.01", "share=0.04", "share=0.02")]
    [InlineData("coverage=0.9", "coverage=0.95", "coverage=0.925")]
    [InlineData("epsilon=0.6", "epsilon=0.4", "epsilon=0.49")]
    [InlineData("recent=128", "recent=256", "recent=181")]
    [InlineData("heavy=0.01,newest=0.01", "heavy=0.025,newest=0.025", "heavy=0.0158,newest=0.0158")]
    [InlineData("bits=13,tables=100", "bits=12,tables=110", "bits=12,tables=105")]
    [InlineData("bits=9,tables=150", "bits=8,tables=150", null)]
    [InlineData("bits=8,tables=150", "bits=8,tables=150", null)]
    [InlineData("recent=1", "recent=2", null)]
    [InlineData("unit=head", "unit=layer", null)]
    [InlineData("share=0.01", "coverage=0.9", null)]
    [InlineData("share=0.01", "share=0.02,page=8", null)]
    [InlineData("share=0", "share=0.02", null)]
    public void BetweenTwoBudgetsEveryOptionIsHalfway(string few, string many, string? between) => Assert.Equal(between, Budget.Between(few, many));

    [Fact]
    public void WhatLiesBetweenBudgetsOfTheCatalogueIsAPolicy()
    {
        foreach (var entry in PolicyCatalog.Entries.Where(static entry => entry.Needs is null))
        {
            var policy = PolicyCatalog.Parse(entry.Name);
            foreach (var (few, many) in entry.Budgets.Zip(entry.Budgets.Skip(1)))
            {
                if (Budget.Between(few, many) is { } between)
                    Assert.StartsWith($"{entry.Name}", entry.At(policy, between).Name, StringComparison.Ordinal);
            }
        }
    }

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
        var tried = new List<string>();
        Assert.Equal(found, new BudgetSearch(needed, steps).Find(Shares, budget => Kept(budget, tried)));
        Assert.Equal(tried.Count, tried.Distinct().Count());
        Assert.InRange(tried.Count, 1, Shares.Length + steps);
        // What reads more than the first of the list that keeps the target is never tried.
        Assert.All(tried, budget => Assert.True(Number(budget) <= Shares.Select(Number).First(share => share >= needed)));
    }

    [Fact]
    public void WhereNothingKeepsTheTargetAllOfTheListWasTried()
    {
        var tried = new List<string>();
        Assert.Null(new BudgetSearch(0.5, 5).Find(Shares, budget => Kept(budget, tried)));
        Assert.Equal(Shares, tried);
        Assert.Null(new BudgetSearch(0.5, 5).Find(Shares, static _ => double.NaN));
        Assert.Null(new BudgetSearch(0.5, 5).Find([], static _ => 1));
    }

    [Fact]
    public void ManyStepsEndWhereWholeNumbersDo()
    {
        var tried = new List<string>();
        Assert.Equal("recent=200", new BudgetSearch(200, 20).Find(["recent=128", "recent=256"], budget => Kept(budget, tried)));
        Assert.InRange(tried.Count, 4, 11);
    }

    // Keeps as much as it reads.
    private static double Kept(string budget, List<string> tried)
    {
        tried.Add(budget);
        return Number(budget);
    }

    private static double Number(string budget) => double.Parse(budget.Split('=')[1], CultureInfo.InvariantCulture);
}
