using Kvasir.Cli.BenchServe;

namespace Kvasir.Tools.Test.Cli.BenchServe;

public sealed class LoadSummaryTest
{
    // numpy.percentile([15, 20, 35, 40, 50], [0, 5, 30, 40, 50, 99, 100]) and numpy.std of the same.
    [Fact]
    public void PercentilesAreInterpolatedAsNumpyDoes()
    {
        var spread = new LoadSpread([40, 15, 50, 35, 20]);
        double[] percents = [0, 5, 30, 40, 50, 99, 100];
        Assert.Equal([15, 16, 23, 29, 35, 49.6, 50], percents.Select(percent => Math.Round(spread.Percentile(percent), 9)));
        Assert.Equal((32, 35, 12.884), (spread.Mean, spread.Median, Math.Round(spread.Deviation, 3)));
        Assert.Equal((0.0, 0.0, 0.0), (new LoadSpread([]).Mean, new LoadSpread([]).Percentile(99), new LoadSpread([]).Deviation));
    }

    [Fact]
    public void TimesAreThoseOfThePiecesThatHaveAChoice()
    {
        var summary = Summary(
            [],
            Trace(0, 1, outputTokens: 3, 1.5, 1.6, 2.0),
            Trace(1, 1, outputTokens: 1, 1.2));
        Assert.Equal([200, 500], Values(summary, LoadFigure.Ttft));
        Assert.Equal([200, 1000], Values(summary, LoadFigure.E2el));
        Assert.Equal([100, 400], Values(summary, LoadFigure.Itl));
        // An answer of one token has no time between tokens.
        Assert.Equal([250], Values(summary, LoadFigure.Tpot));
        Assert.Equal([500], [Math.Round(summary.ColdFirst.Mean)]);
        Assert.Equal([200], [Math.Round(summary.WarmFirst.Mean)]);
        // Sent half a second after it could have been.
        Assert.Equal([700, 1000], new[] { summary.FirstFromReady.Percentile(0), summary.FirstFromReady.Percentile(100) }.Select(static ms => Math.Round(ms)));
        Assert.Equal((2, 0, 4, 40L), (summary.Completed.Length, summary.Failed, summary.OutputTokens, summary.InputTokens));
        Assert.Equal((1.0, 2.0, 22.0), (summary.RequestsPerSecond, summary.OutputPerSecond, summary.TokensPerSecond));
        Assert.Equal(3, summary.MostPiecesInSecond);
    }

    [Fact]
    public void AGoodRequestStaysWithinEveryGoal()
    {
        LoadTrace[] traces =
        [
            Trace(0, 1, outputTokens: 3, 1.5, 1.6, 2.0),
            Trace(0, 1, outputTokens: 3, 1.1, 1.6, 2.5),
            Trace(0, 1, outputTokens: 1, 1.2),
            Failed(),
        ];
        Assert.Null(Summary([], traces).Goodput);
        Assert.Equal(1.5, Summary([new(LoadFigure.Ttft, 600)], traces).Goodput);
        Assert.Equal(1, Summary([new(LoadFigure.Tpot, 300)], traces).Goodput);
        Assert.Equal(0.5, Summary([new(LoadFigure.Ttft, 400), new(LoadFigure.E2el, 1000)], traces).Goodput);
    }

    [Fact]
    public void ReasonsThatDifferInNumbersAloneAreOne()
    {
        var faults = Summary([], Failed("9 of 10"), Failed("no"), Failed("11 of 10")).Faults;
        Assert.Equal([("9 of 10", 2), ("no", 1)], faults);
    }

    private static LoadTrace Trace(int turn, double start, int outputTokens, params double[] pieces)
    {
        var trace = new LoadTrace(turn, start - 0.5, start) { OutputTokens = outputTokens, PromptTokens = 20 };
        trace.PieceS.AddRange(pieces);
        return trace;
    }

    private static LoadTrace Failed(string fault = "no") => new(0, 0, 0) { Fault = fault };

    private static LoadSummary Summary(LoadGoal[] goals, params LoadTrace[] traces) => new(
        new LoadPlan
        {
            Prompts = traces.Length,
            Turns = 1,
            InputTokens = 1,
            PrefixTokens = 0,
            OutputTokens = 1,
            Rate = double.PositiveInfinity,
            Burstiness = 1,
            IsChat = false,
            Probes = false,
            Goals = goals,
            Percentiles = [50],
            Seed = 1,
        },
        new LoadSeen(traces, [], 2, 1));

    private static IEnumerable<double> Values(LoadSummary summary, LoadFigure figure)
    {
        var spread = summary.Spreads[figure];
        return Enumerable.Range(0, spread.Count).Select(i => Math.Round(spread.Count == 1 ? spread.Mean : spread.Percentile(100.0 * i / (spread.Count - 1)), 6));
    }
}
