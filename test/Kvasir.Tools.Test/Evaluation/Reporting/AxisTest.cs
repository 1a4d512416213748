using Kvasir.Evaluation.Reporting;

namespace Kvasir.Tools.Test.Evaluation.Reporting;

/// <summary>Ends and ticks of axes.</summary>
public sealed class AxisTest
{
    [Theory]
    [InlineData(0.0022, 1, 0.002, 1, "0.002 0.005 0.01 0.02 0.05 0.1 0.2 0.5 1")]
    [InlineData(1e-6, 1, 1e-6, 1, "1E-06 1E-05 0.0001 0.001 0.01 0.1 1")]
    [InlineData(31, 66, 30, 70, "30 40 50 60 70")]
    [InlineData(1, 1, 0.5, 1.5, "0.5 0.6 0.7 0.8 0.9 1 1.5")]
    [InlineData(0, 0, 0.5, 1.5, "0.5 0.6 0.7 0.8 0.9 1 1.5")]
    public void LogarithmicAxesHaveRoundTicksWithRoomBetween(double least, double most, double first, double last, string ticks)
    {
        var axis = Axis.Logarithmic([least, most, double.NaN]);
        Assert.Equal((first, last), (Math.Round(axis.Least, 9), Math.Round(axis.Most, 9)));
        Assert.Equal(ticks, string.Join(' ', axis.Ticks().Select(static tick => Math.Round(tick, 9).ToString(System.Globalization.CultureInfo.InvariantCulture))));
        Assert.Equal((0.0, 1.0, 0.0), (axis.Place(axis.Least), axis.Place(axis.Most), axis.Place(0)));
    }

    [Theory]
    [InlineData(0.19, 0.93, 0, 1, 6)]
    [InlineData(0.97, 0.98, 0.88, 0.98, 6)]
    [InlineData(1, 1, 0.9, 1, 6)]
    [InlineData(-0.15, 0.02, -0.15, 0.05, 5)]
    public void LinearAxesHaveAFewRoundSteps(double least, double most, double first, double last, int ticks)
    {
        var axis = Axis.Linear([least, most], 0.1, 1);
        Assert.Equal((first, last, ticks), (Math.Round(axis.Least, 9), Math.Round(axis.Most, 9), axis.Ticks().Count));
        Assert.Equal(0.5, axis.Place((axis.Least + axis.Most) / 2), 1e-9);
    }
}
