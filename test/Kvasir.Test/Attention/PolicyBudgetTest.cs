using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention;

public sealed class PolicyBudgetTest
{
    [Theory]
    [InlineData("share", 0.01, 0.04, "share=0.02")]
    [InlineData("coverage", 0.9, 0.95, "coverage=0.925")]
    [InlineData("epsilon", 0.6, 0.4, "epsilon=0.49")]
    [InlineData("recent", 128, 256, "recent=181")]
    [InlineData("recent", 1, 2, "")]
    [InlineData("recent", 8, 8, "")]
    public void BetweenTwoBudgetsTheOptionIsHalfway(string name, double few, double many, string between)
    {
        var budgets = PolicyBudget.Of(name, few, many);
        Assert.Equal(between, $"{PolicyBudget.Between(budgets[0], budgets[1])}");
    }

    [Fact]
    public void OptionsThatGrowTogetherAreHalfwayTogether()
    {
        var heavy = PolicyBudget.Of("heavy", "newest", (0.01, 0.01), (0.025, 0.025));
        Assert.Equal("heavy=0.0158,newest=0.0158", $"{PolicyBudget.Between(heavy[0], heavy[1])}");
        var tables = PolicyBudget.Of("bits", "tables", (13, 100), (12, 110), (9, 150), (8, 150));
        Assert.Equal("bits=12,tables=105", $"{PolicyBudget.Between(tables[0], tables[1])}");
        Assert.Null(PolicyBudget.Between(tables[2], tables[3]));
    }

    [Fact]
    public void BetweenBudgetsOfOtherOptionsLiesNothing()
    {
        var (share, coverage, both) = (PolicyBudget.Of("share", 0.01)[0], PolicyBudget.Of("coverage", 0.9)[0], PolicyBudget.Of("share", "page", (0.02, 8))[0]);
        Assert.Null(PolicyBudget.Between(share, coverage));
        Assert.Null(PolicyBudget.Between(share, both));
    }

    [Fact]
    public void WhatLiesBetweenBudgetsOfTheCatalogueIsAPolicy() => Assert.All(PolicyCatalog.Entries, static entry =>
    {
        foreach (var (few, many) in entry.Budgets.Zip(entry.Budgets.Skip(1)))
        {
            if (PolicyBudget.Between(few, many) is { } between)
                Assert.All(between.Settings, setting => Assert.Equal(setting.Text, new PolicySpec(entry).With(between).Word(setting.Name)));
        }
    });
}
