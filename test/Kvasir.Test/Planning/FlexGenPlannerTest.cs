using Kvasir.Planning;

namespace Kvasir.Test.Planning;

public sealed class FlexGenPlannerTest
{
    // The constants that its repository fitted for a T4.
    private static readonly FlexGenRun Opt6B = new(32, 4096, 16_384, 512, 32, 64)
    {
        Links = (12.9e9, 0.97e9, 0.47e9, 0.47e9),
        Rates = (21.2e12, 4.3e12, 0.079e12, 0.012e12),
        Memory = (14e9, 100e9, 500e9),
    };

    [Fact]
    public void ThatAllIsOnTheDeviceTakesComputingAlone()
    {
        var all = new TierShares(1, 0, 0);
        const double Weights = (8.0 * 4096 * 4096) + (4.0 * 4096 * 16_384);
        var prompt = (64 * 512 * Weights / 21.2e12) + (4.0 * 64 * 512 * 512 * 4096 / 0.079e12);
        var step = (64 * Weights / 4.3e12) + (4.0 * 64 * (512 + 16) * 4096 / 0.079e12);
        Assert.Equal(32 * (prompt + (31 * step)), FlexGenPlanner.Seconds(Opt6B, new FlexGenShares(all, all, all)), 1e-9);
    }

    [Fact]
    public void WeightsOnTheHostCrossTheLinkOnceALayer()
    {
        var (device, host) = (new TierShares(1, 0, 0), new TierShares(0, 1, 0));
        var near = FlexGenPlanner.Seconds(Opt6B, new FlexGenShares(device, device, device));
        var far = FlexGenPlanner.Seconds(Opt6B, new FlexGenShares(host, device, device));
        const double Weights = (8.0 * 4096 * 4096) + (4.0 * 4096 * 16_384);
        // In steps they are not hidden; a prompt computes for longer than they take.
        Assert.Equal(32 * 31 * Weights / 12.9e9, far - near, 1e-6);
    }

    [Fact]
    public void TheBestSharesFitAndNoneThatFitAreFaster()
    {
        var (shares, seconds) = FlexGenPlanner.Solve(Opt6B, step: 5)!.Value;
        Assert.True(FlexGenPlanner.Fits(Opt6B, shares));
        Assert.Equal(seconds, FlexGenPlanner.Seconds(Opt6B, shares), 1e-9);
        var random = new Random(5);
        for (var i = 0; i < 2000; i++)
        {
            var others = new FlexGenShares(Draw(), Draw(), Draw());
            if (FlexGenPlanner.Fits(Opt6B, others))
                Assert.True(FlexGenPlanner.Seconds(Opt6B, others) >= seconds - 1e-9, $"{others} is faster than {shares}");
        }

        Assert.Null(FlexGenPlanner.Solve(Opt6B with { Memory = (1e9, 2e9, 3e9) }, step: 5));

        TierShares Draw()
        {
            var device = random.Next(5);
            var host = random.Next(5 - device);
            return new TierShares(device / 4.0, host / 4.0, (4 - device - host) / 4.0);
        }
    }

    [Fact]
    public void MoreMemoryIsNeverSlower() => Assert.True(
        FlexGenPlanner.Solve(Opt6B with { Memory = (40e9, 100e9, 500e9) }, step: 5)!.Value.Seconds <= FlexGenPlanner.Solve(Opt6B, step: 5)!.Value.Seconds);
}
