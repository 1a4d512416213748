using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Evaluation.Results;

/// <summary>Differences from dense attention and how sure they are.</summary>
public sealed class PairedDifferenceTest
{
    [Fact]
    public void SmallCasesAreExact()
    {
        Assert.Null(PairedDifference.Of([]));
        Assert.Equal(new PairedDifference(1, -0.5, null, null), PairedDifference.Of([-0.5]));
        // Deviation 1, so that the margin is Student's point over the root of the count.
        var three = PairedDifference.Of([-1, 0, 1])!.Value;
        Assert.Equal((3, 0.0, 0), (three.PairCount, three.Mean, three.Direction));
        Assert.Equal(4.3027 / Math.Sqrt(3), three.Margin!.Value, 1e-4);
        Assert.Equal(-three.Margin.Value, three.Low!.Value, 1e-12);
        // Two pairs: mean -0.3, deviation 0.1414, t 12.7062, margin 12.7062 * 0.1.
        var two = PairedDifference.Of([-0.4, -0.2])!.Value;
        Assert.Equal((-1.57062, 0.97062), (Math.Round(two.Low!.Value, 5), Math.Round(two.High!.Value, 5)));
    }

    [Fact]
    public void AnIntervalIsThatOfStudent()
    {
        // Differences -1, 0, 0, -1, 0: mean -0.4, variance 0.3, standard error sqrt(0.06).
        var difference = PairedDifference.Of([-1, 0, 0, -1, 0])!.Value;
        Assert.Equal((-0.4, 5), (Math.Round(difference.Mean, 12), difference.PairCount));
        Assert.Equal(-0.4 - (2.7764451 * Math.Sqrt(0.06)), difference.Low!.Value, 1e-6);
        Assert.Equal(-0.4 + (2.7764451 * Math.Sqrt(0.06)), difference.High!.Value, 1e-6);
    }

    [Theory]
    [InlineData(2, 0.0)]
    [InlineData(9, 0.0)]
    [InlineData(9, -0.1)]
    public void FewEqualDifferencesHaveNoInterval(int count, double each) =>
        Assert.True(PairedDifference.Of(Enumerable.Repeat(each, count).ToArray()) is { Low: null, High: null, Margin: null, Direction: 0 } difference && Math.Abs(difference.Mean - each) < 1e-12);

    [Fact]
    public void ManyEqualDifferencesHaveAnIntervalOfNoWidth()
    {
        Assert.Equal(new PairedDifference(10, 0, 0, 0), PairedDifference.Of(new double[10]));
        Assert.Equal((0, -1), (PairedDifference.Of(new double[10])!.Value.Direction, PairedDifference.Of(Enumerable.Repeat(-0.5, 10).ToArray())!.Value.Direction));
        Assert.NotNull(PairedDifference.Of([0, 0, 0.001])!.Value.Margin);
    }

    [Theory]
    [InlineData(9, 2.262157)]
    [InlineData(10, 2.228139)]
    [InlineData(20, 2.085963)]
    [InlineData(30, 2.042272)]
    [InlineData(100, 1.983972)]
    public void MarginsAreStudents(int degrees, double point)
    {
        // Half of the pairs at 1 and half at -1, or one more: the deviation is known.
        var differences = Enumerable.Range(0, degrees + 1).Select(static i => i % 2 == 0 ? 1.0 : -1.0).ToArray();
        var mean = differences.Average();
        var deviation = Math.Sqrt(differences.Sum(value => Math.Pow(value - mean, 2)) / degrees);
        Assert.Equal(point, PairedDifference.Of(differences)!.Value.Margin!.Value * Math.Sqrt(degrees + 1) / deviation, 1e-6);
    }

    [Fact]
    public void DirectionsAreThoseOfWholeIntervals()
    {
        Assert.Equal(-1, PairedDifference.Of([-1, -1, -0.9])!.Value.Direction);
        Assert.Equal(1, PairedDifference.Of([1, 1, 0.9])!.Value.Direction);
        Assert.Equal(0, PairedDifference.Of([0, 0, 0])!.Value.Direction);
        Assert.Equal(0, PairedDifference.Of([-1])!.Value.Direction);
    }

    [Fact]
    public void OnlySamplesWithAPartnerCount()
    {
        EvaluatedSample[] samples =
        [
            HandMade.Of("dense", 0, 1), HandMade.Of("dense", 1, 0.5), HandMade.Of("dense", 2, 1), HandMade.Of("dense", 4, 1) with { Protocol = Protocol.QuestionSparse },
            HandMade.Of("topk", 0, 0.5), HandMade.Of("topk", 1, 0.5), HandMade.Of("topk", 2, double.NaN), HandMade.Of("topk", 3, 1), HandMade.Of("topk", 4, 0),
            HandMade.Of("topk", 0, 1) with { Context = 8192 }, HandMade.Of("topk", 0, 1) with { Task = "cwe" },
        ];
        var difference = PairedDifference.FromDense(samples.Where(static sample => sample.Policy == "topk"), PairedDifference.DenseSamples(samples), static sample => sample.Score)!.Value;
        Assert.Equal((2, -0.25), (difference.PairCount, difference.Mean));
    }
}
