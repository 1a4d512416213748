using Kvasir.Attention.Indexes;

namespace Kvasir.Test.Attention.Indexes;

/// <summary>Against tables of the distributions.</summary>
public sealed class QuantilesTest
{
    [Theory]
    [InlineData(0.5, 0)]
    [InlineData(0.1, 1.28155)]
    [InlineData(0.025, 1.95996)]
    [InlineData(0.005, 2.57583)]
    [InlineData(1e-6, 4.75342)]
    public void NormalNumbersExceedTheirQuantiles(double tail, double quantile) => Assert.Equal(quantile, Quantiles.Normal(tail), 5e-4);

    [Theory]
    [InlineData(0.05, 1, 1e9, 3.841)]
    [InlineData(0.05, 1, 10, 4.965)]
    [InlineData(0.025, 1, 1e9, 5.024)]
    [InlineData(0.025, 4, 20, 3.515)]
    [InlineData(0.05, 10, 10, 2.978)]
    [InlineData(0.01, 60, 1e9, 1.473)]
    public void RatiosOfVariancesExceedTheirQuantiles(double tail, double dimensions, double freedom, double quantile) =>
        Assert.Equal(1, Quantiles.Fisher(Quantiles.Normal(tail), dimensions, freedom) / quantile, 0.03);

    [Fact]
    public void ALittleKnownVarianceCanBoundNothing() => Assert.Equal(double.PositiveInfinity, Quantiles.Fisher(Quantiles.Normal(1e-6), 1, 0.25));
}
