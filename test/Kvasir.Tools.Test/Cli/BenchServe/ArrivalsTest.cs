using Kvasir.Cli.BenchServe;

namespace Kvasir.Tools.Test.Cli.BenchServe;

public sealed class ArrivalsTest
{
    [Theory]
    [InlineData(1, 0.5, 1)]
    [InlineData(7, 3, 0.2)]
    [InlineData(1000, 20, 5)]
    public void AllOfThemTakeAsLongAsTheirRateSays(int count, double rate, double shape)
    {
        var times = Arrivals.Times(count, rate, shape, new Random(1));
        Assert.Equal(count, times.Length);
        Assert.Equal(count / rate, times[^1], 9);
        Assert.Equal(times.Order(), times);
    }

    [Fact]
    public void AnInfiniteRateBeginsAllAtOnce() => Assert.All(Arrivals.Times(50, double.PositiveInfinity, 1, new Random(1)), static time => Assert.Equal(0, time));

    // A gamma distribution's deviation is its mean by the root of its shape. Of 40,000 gaps that is known to 3 % even for the shape with the longest tail.
    [Theory]
    [InlineData(0.25)]
    [InlineData(1)]
    [InlineData(4)]
    public void GapsSpreadAsTheGammaDistributionOfTheirShape(double shape)
    {
        var seed = Random.Shared.Next();
        var times = Arrivals.Times(40_000, 1, shape, new Random(seed));
        double[] gaps = [.. times.Zip(times.Skip(1), static (from, to) => to - from)];
        var spread = new LoadSpread(gaps);
        Assert.True(Math.Abs((spread.Deviation / spread.Mean * Math.Sqrt(shape)) - 1) < 0.06, $"shape {shape}: deviation {spread.Deviation} of mean {spread.Mean}, seed {seed}");
    }
}
