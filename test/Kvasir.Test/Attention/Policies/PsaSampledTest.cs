using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention.Policies;

/// <summary>PSA that lets blocks drawn by chance stand for those it does not read.</summary>
public sealed class PsaSampledTest
{
    [Theory]
    [InlineData(1, 48)]
    [InlineData(3, 64)]
    [InlineData(7, 33)]
    public void TheDenominatorIsOffByMoreThanWasAllowedOnlyRarely(int group, int dim)
    {
        // Flat attention: no choice of few blocks holds nine tenths of the mass.
        const int Rows = 3000, Steps = 60;
        var place = new HeadPlace(0, 1, 0, group, dim, Rows);
        using var rows = new ChosenRows(place, Rows, dim);
        var exact = Enumerable.Range(0, group).Select(head => rows.Keys.Sum(key => Math.Exp(ChosenRows.Score(rows.Query(head), key)))).ToArray();
        var (off, read, mean) = (0, 0, 0.0);
        for (var seed = 0; seed < Steps; seed++)
        {
            var watched = new HashSet<int>();
            using var selector = PolicyCatalog.Parse($"psa:coverage=0.9,block=8,group=4,tail=sampled,seed={seed},min-context=0").CreateSelector(place);
            rows.Index(selector);
            using var watching = new WatchedSelector(selector, watched);
            var sum = rows.LogSums(watching);
            for (var head = 0; head < group; head++)
            {
                var ratio = Math.Exp(sum[head]) / exact[head];
                mean += ratio / (Steps * group);
                off += Math.Abs(ratio - 1) > 0.1 ? 1 : 0;
            }

            read += watched.Count;
        }

        // One in twenty; three deviations of so many trials, as if heads of a group went together.
        Assert.InRange(off / (double)(Steps * group), 0, 0.05 + (3 * Math.Sqrt(0.05 * 0.95 / Steps)));
        Assert.Equal(1, mean, 0.04);
        Assert.InRange(read / (double)(Steps * Rows), 0.02, 0.6);
    }

    // Then what is left is taken to weigh as much as what was read last.
    [Theory]
    [InlineData(1, 5)]
    [InlineData(3, 6)]
    public void WhereTooFewBlocksAreLeftToDrawByReadingGoesOn(int group, int seed)
    {
        const int Rows = 128;
        var place = new HeadPlace(0, 1, 0, group, 32, Rows);
        using var head = new LoneHead(place, Rows, seed, keyScale: 0.2f);
        using var selector = PolicyCatalog.Parse("psa:group=1,coverage=0.95,block=8,sinks=8,recent=16,min-context=0").CreateSelector(place);
        head.AppendTo(selector, 0, Rows);
        head.Attend(selector);
        var weights = head.Weights();
        for (var query = 0; query < group; query++)
            Assert.InRange(head.LastRead.Sum(row => (double)weights[(query * Rows) + row]), 0.93, 1.0001);
    }

    [Fact]
    public void WithoutSamplingTheSameNeedsNearlyAllRows()
    {
        const int Rows = 3000;
        var place = new HeadPlace(0, 1, 0, 2, 48, Rows);
        using var rows = new ChosenRows(place, Rows, 3);
        var read = new Dictionary<string, int>();
        foreach (var tail in new[] { "last-mean", "sampled" })
        {
            var watched = new HashSet<int>();
            using var selector = PolicyCatalog.Parse($"psa:coverage=0.9,block=8,tail={tail},min-context=0").CreateSelector(place);
            rows.Index(selector);
            using var watching = new WatchedSelector(selector, watched);
            rows.Attend(watching);
            read[tail] = watched.Count;
        }

        Assert.InRange(read["last-mean"], 0.85 * Rows, Rows);
        Assert.InRange(read["sampled"], 0, 0.6 * Rows);
    }
}
