using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation.Results;

/// <summary>Quantiles of Student's distribution.</summary>
public sealed class StudentTTest
{
    [Theory]
    [InlineData(1, 12.7062047)]
    [InlineData(2, 4.3026527)]
    [InlineData(3, 3.1824463)]
    [InlineData(4, 2.7764451)]
    [InlineData(5, 2.5705818)]
    [InlineData(9, 2.2621572)]
    [InlineData(10, 2.2281389)]
    [InlineData(49, 2.0095752)]
    [InlineData(1000, 1.9623391)]
    public void QuantilesAreThoseOfTheTables(int freedom, double expected) => Assert.Equal(expected, StudentT.Quantile(0.95, freedom), 1e-6);
}
