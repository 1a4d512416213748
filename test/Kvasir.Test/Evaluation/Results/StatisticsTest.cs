using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Test.Evaluation.Results;

public sealed class StatisticsTest
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

    [Fact]
    public void ADifferenceIsPaired()
    {
        // Differences -1, 0, 0, -1, 0: mean -0.4, variance 0.3, standard error sqrt(0.06).
        var difference = PairedDifference.Of([(0, 1), (1, 1), (0, 0), (0, 1), (0.5, 0.5)]);
        Assert.Equal((-0.4, 5), (Math.Round(difference.Mean, 12), difference.Samples));
        Assert.Equal(-0.4 - (2.7764451 * Math.Sqrt(0.06)), difference.Low!.Value, 1e-6);
        Assert.Equal(-0.4 + (2.7764451 * Math.Sqrt(0.06)), difference.High!.Value, 1e-6);
    }

    [Fact]
    public void OneSampleHasNoInterval() => Assert.Equal(new PairedDifference(0.25, null, null, 1), PairedDifference.Of([(0.75, 0.5)]));

    [Fact]
    public void EqualScoresDifferByNothing() => Assert.Equal(new PairedDifference(0, 0, 0, 3), PairedDifference.Of([(1, 1), (0, 0), (0.5, 0.5)]));

    [Fact]
    public void RowsAreMeansAndTokensWeighTheirTimes()
    {
        EvaluatedSample[] samples =
        [
            Sample("dense", 0, 1, 10, 30), Sample("dense", 1, 1, 30, 10), Sample("psa", 0, 1, 10, 10) with { KeysRead = 0.2, MassKept = 0.9 },
            Sample("psa", 1, 0, 30, 90) with { KeysRead = 0.4 }, Sample("psa", 2, 0, 0, 0) with { KeysRead = 0.3 },
            Sample("psa", 0, 1, 10, 10) with { Protocol = Protocol.QuestionSparse },
        ];
        var rows = ResultRow.Table(samples);
        Assert.Equal(["dense", "psa", "psa"], rows.Select(static row => row.Policy));
        Assert.Equal((1.0, 1.0, null, 2), (rows[0].Score, rows[0].MsPerToken, rows[0].Difference, rows[0].Samples));
        // The third sample has no dense one beside it.
        Assert.Equal((1 / 3.0, 2.5, 3, 2, -0.5), (rows[1].Score, rows[1].MsPerToken, rows[1].Samples, rows[1].Difference!.Samples, rows[1].Difference!.Mean));
        Assert.Equal((0.3, 0.9, null), (Math.Round(rows[1].KeysRead, 12), rows[1].MassKept, rows[1].OutputError));
        Assert.Equal(((10 * 100.0) + (30 * 100.0)) / 40, rows[1].BytesPerToken);
        Assert.Null(rows[2].Difference);
    }

    private static EvaluatedSample Sample(string policy, int index, double score, int tokens, double decodeMs) => new()
    {
        Task = "vt",
        Context = 512,
        PromptTokens = 500,
        Protocol = Protocol.QuestionDense,
        Policy = policy,
        Sample = index,
        Score = score,
        DecodedTokens = tokens,
        KeysRead = 1,
        BytesPerToken = 100,
        PromptMs = 5,
        DecodeMs = decodeMs,
    };
}
