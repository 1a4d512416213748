using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention.Policies;

/// <summary>
/// Sampled estimators where scores are capped and a head has a sink: c tanh(s / c) is taken before the log of a chance is added, and the sink is no row that is
/// drawn. Then sums of e^score and of e^score times values are on average what dense attention has.
/// </summary>
public sealed class SampledSinkTest(ITestOutputHelper output)
{
    private const float Cap = 1.7f;

    // About as much as 256 rows, and nearly nothing.
    private static readonly float[] Sinks = [5.5f, -2];
    private static readonly HeadPlace Place = new(3, 8, 1, 2, 16, 1024);

    [Theory]
    [InlineData("magicpig:bits=4,tables=20,sinks=0,recent=1,dense-layers=none,min-context=0", 256, 300, 1f)]
    [InlineData("guarded:epsilon=1,delta=0.5,pilot=100,sinks=4,recent=16,dense-layers=none,min-context=0", 1000, 400, 0.4f)]
    public void SumsAreUnbiased(string policy, int count, int draws, float keyScale)
    {
        // 4.5 standard errors of each of 34 sums.
        const int Seed = 41;
        using var rows = new LoneHead(Place, count, Seed, keyScale, scores: (Cap, Sinks));
        var exact = rows.Sums(AllRows.Instance);
        var (mean, squares, read) = (new double[exact.Length], new double[exact.Length], 0);
        for (var draw = 0; draw < draws; draw++)
        {
            using var selector = Selector($"{policy},seed={draw}", rows);
            using var watching = new WatchedSelector(selector, rows.LastRead);
            rows.LastRead.Clear();
            var sums = rows.Sums(watching);
            read += rows.LastRead.Count;
            for (var i = 0; i < sums.Length; i++)
                (mean[i], squares[i]) = (mean[i] + (sums[i] / draws), squares[i] + (sums[i] * sums[i] / draws));
        }

        output.WriteLine($"rows of seed {Seed}, draws of seeds 0 to {draws - 1}, {(double)read / draws:f0} of {count} rows read");
        Assert.InRange(read / (double)draws, 1, count * 0.98);
        for (var i = 0; i < mean.Length; i++)
        {
            var error = Math.Sqrt(Math.Max(0, squares[i] - (mean[i] * mean[i])) / draws);
            Assert.True(Math.Abs(mean[i] - exact[i]) <= 4.5 * error, $"{policy}, sum {i}: {mean[i]} +- {error}, exactly {exact[i]}");
        }
    }

    // What PSA reads before it draws follows from what it finds, so that it is unbiased but for that.
    [Fact]
    public void BlocksThatStandForOthersAreUnbiasedToAFewHundredths()
    {
        const int Draws = 100;
        var place = Place with { MaxRows = 2000 };
        using var rows = new LoneHead(place, 2000, seed: 5, keyScale: 0.3f, scores: (Cap, Sinks));
        var exact = rows.Sums(AllRows.Instance);
        var ratios = new double[Draws];
        for (var draw = 0; draw < Draws; draw++)
        {
            using var selector = PolicyCatalog.Parse($"psa:coverage=0.9,block=8,group=4,tail=sampled,min-context=0,dense-layers=none,seed={draw}").CreateSelector(place);
            rows.AppendTo(selector, 0, 2000);
            using var watching = new WatchedSelector(selector, rows.LastRead);
            rows.LastRead.Clear();
            ratios[draw] = rows.Sums(watching)[place.Dim] / exact[place.Dim];
            Assert.InRange(rows.LastRead.Count, 1, 1800);
        }

        var (mean, deviation) = (ratios.Average(), Math.Sqrt(ratios.Select(ratio => ratio * ratio).Average() - Math.Pow(ratios.Average(), 2)));
        output.WriteLine($"rows of seed 5, draws of seeds 0 to {Draws - 1}: {mean:f4} +- {deviation / Math.Sqrt(Draws):f4}");
        Assert.InRange(mean, 0.96 - (3 * deviation / Math.Sqrt(Draws)), 1.04 + (3 * deviation / Math.Sqrt(Draws)));
    }

    // A sink takes its share of what comes out, and none of what rows add up to.
    [Fact]
    public void ASinkIsNoRow()
    {
        using var without = new LoneHead(Place, 256, seed: 3, scores: (Cap, []));
        using var with = new LoneHead(Place, 256, seed: 3, scores: (Cap, Sinks));
        var (bare, sunk) = (without.Sums(AllRows.Instance), with.Sums(AllRows.Instance));
        for (var i = 0; i < bare.Length; i++)
            Assert.Equal(bare[i], sunk[i], Math.Abs(bare[i]) * 1e-4);
        var (first, second) = (without.Attend(AllRows.Instance), with.Attend(AllRows.Instance));
        var share = bare[Place.Dim] / (bare[Place.Dim] + Math.Exp(Sinks[0]));
        Assert.InRange(share, 0.1, 0.9);
        for (var i = 0; i < Place.Dim; i++)
            Assert.InRange(second[i] - (first[i] * share), -1e-3, 1e-3);
    }

    private static Selector Selector(string policy, LoneHead rows)
    {
        var selector = PolicyCatalog.Parse(policy).CreateSelector(Place);
        rows.AppendTo(selector, 0, rows.Head.RowCount);
        rows.EndPrompt(selector);
        return selector;
    }
}
