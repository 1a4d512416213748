using Kvasir.Planning;

namespace Kvasir.Test.Planning;

/// <summary>ALISA's planner and the clock that replays its figures: OPT-30B, 64 sequences of 128 and 512 tokens, on an H100.</summary>
public sealed class AlisaPlannerTest(ITestOutputHelper output)
{
    private const double Gibibyte = 1L << 30;

    // 48 layers of 7168, keys and values of two bytes, 64 sequences.
    private const double TokenBytes = 4.0 * 48 * 7168 * 64;

    // Of the figure's bars: at step 144 the device holds 271 tokens and no more; 13 s until then; 32 s of computing again over 240 steps, of a fifth of 60 tokens.
    private const double StepSeconds = 13.0 / 144;
    private const double AgainSeconds = 32.0 / 240 / 12;

    // The link that makes the bar of FlexGen's traffic what it is.
    private const double Link = 47.5e9;

    private static AlisaRun Paper(double sparsity) => new(128, 512, TokenBytes, 271.5 * TokenBytes, 100 * Gibibyte, Link, 1 - sparsity)
    {
        FetchesAll = true,
        Compute = static _ => StepSeconds,
        Recompute = static tokens => tokens * AgainSeconds,
    };

    [Fact]
    public void ATokenOfThePaperIsAsLargeAsItSays() => Assert.Equal(88.08e6, TokenBytes, 0.01e6);

    [Fact]
    public void TheClockReplaysThePhasesOfThePaper()
    {
        // Of 640 tokens 77.4% are on the host behind the last step and 9.1% deleted.
        var phases = new AlisaPhases(144, 272, 0.865, 0.105);
        Assert.Equal(phases.FirstOffload, AlisaPlanner.FirstOffload(Paper(0.8)));
        var (host, device, deleted) = VirtualClock.Residency(Paper(0.8), phases, 512);
        Assert.Equal(40.64, host / Gibibyte, 40.64 * 0.02);
        Assert.Equal(7.1, device / Gibibyte, 7.1 * 0.02);
        Assert.InRange(deleted / TokenBytes, 50, 65);
        var report = VirtualClock.Replay(Paper(0.8), phases);
        var untilDeleting = VirtualClock.Steps(Paper(0.8), 1, phases).Take(271).Sum();
        output.WriteLine($"{VirtualClock.Steps(Paper(0.8), 1, phases).Take(143).Sum():0.0} s, {untilDeleting:0.0} s, {report}");
        Assert.InRange(untilDeleting, 41 * 0.75, 41 * 1.25);
        Assert.InRange(report.TotalSeconds, 137 * 0.75, 137 * 1.25);
        Assert.InRange(report.LinkSeconds, 65 * 0.75, 65 * 1.25);
        Assert.InRange(report.RecomputeSeconds, 32 * 0.75, 32 * 1.25);
    }

    // Nothing is fitted on these; p1 is the same, and what is read more often is deleted sooner.
    [Theory]
    [InlineData(0.6, 256, 194)]
    [InlineData(0.4, 228, 253)]
    [InlineData(0.2, 208, 298)]
    public void OtherSparsitiesFollow(double sparsity, int second, double seconds)
    {
        var report = VirtualClock.Replay(Paper(sparsity), new AlisaPhases(144, second, 0.87, 0.105));
        output.WriteLine($"{sparsity}: {report}, the paper has {seconds} s");
        Assert.InRange(report.TotalSeconds, seconds * 0.75, seconds * 1.25);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    [InlineData(4, true)]
    public void TheSearchFindsWhatTryingEverythingFinds(int seed, bool overlaps)
    {
        var random = new Random(seed);
        var run = new AlisaRun(random.Next(4, 20), random.Next(10, 30), 100, random.Next(1000, 2500), random.Next(1200, 3000), random.Next(200, 2000), 0.3)
        {
            Overlaps = overlaps,
            Compute = static tokens => 0.01 + (0.001 * tokens),
            Recompute = tokens => 0.02 * tokens * random.NextInt64(1, 2),
        };
        var first = AlisaPlanner.FirstOffload(run);
        var best = double.PositiveInfinity;
        for (var host = 1; host <= 99; host++)
        {
            foreach (var deleted in (double[])[0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5])
            {
                for (var second = first; second <= run.OutputTokens + 1; second++)
                {
                    if (AlisaPlanner.DeviceHolds(run, host * 0.01) && AlisaPlanner.HostHolds(run, second, host * 0.01, deleted))
                        best = Math.Min(best, VirtualClock.Replay(run, new AlisaPhases(first, second, host * 0.01, deleted)).TotalSeconds);
                }
            }
        }

        var found = AlisaPlanner.Solve(run);
        output.WriteLine($"seed {seed}: {found}, {best}");
        Assert.Equal(double.IsPositiveInfinity(best), found is null);
        if (found is var (phases, seconds))
        {
            Assert.Equal(best, seconds, 1e-9);
            Assert.Equal(seconds, VirtualClock.Replay(run, phases).TotalSeconds, 1e-9);
        }
    }

    [Fact]
    public void TheFirstPhaseEndsWithTheDeviceWhateverIsChosen()
    {
        Assert.All((double[])[0.2, 0.4, 0.6, 0.8], static sparsity => Assert.Equal(144, AlisaPlanner.FirstOffload(Paper(sparsity))));
        // Where the host is short, the less is attended to the later it pays to delete.
        int[] seconds = [.. ((double[])[0.2, 0.4, 0.6, 0.8]).Select(static sparsity =>
            AlisaPlanner.Solve(Paper(sparsity) with { HostBytes = 50 * Gibibyte }, stride: 8)!.Value.Phases.FirstDelete)];
        Assert.Equal(seconds.Order(), seconds);
    }

    [Fact]
    public void ADeviceThatHoldsAllHasOnePhase()
    {
        var (phases, seconds) = AlisaPlanner.Solve(Paper(0.8) with { DeviceBytes = 641 * TokenBytes })!.Value;
        Assert.Equal((513, 513), (phases.FirstOffload, phases.FirstDelete));
        Assert.Equal(512 * StepSeconds, seconds, 1e-9);
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(143, 0, 0)]
    [InlineData(200, 1, 0)]
    [InlineData(300, 1, 1)]
    public void ResidentTokensAddUpAndStayInOrder(int step, int onHost, int deleting)
    {
        var phases = new AlisaPhases(144, 272, 0.8, 0.1);
        var (host, device, deleted) = VirtualClock.Residency(Paper(0.8), phases, step);
        Assert.Equal((128 + step) * TokenBytes, host + device + deleted, 1);
        Assert.Equal((onHost == 1, deleting == 1), (host > 0, deleted > 0));
        Assert.True(deleted <= host + deleted && device >= 0);
    }
}
