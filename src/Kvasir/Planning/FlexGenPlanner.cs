namespace Kvasir.Planning;

/// <summary>FlexGen's own formulas, solved on a grid of a twentieth in place of by linear programming.</summary>
public static class FlexGenPlanner
{
    private const int Grid = 20;

    /// <summary>The shares with the shortest time; null where nothing fits.</summary>
    /// <param name="step">Twentieths between those that are tried.</param>
    public static (FlexGenShares Shares, double Seconds)? Solve(FlexGenRun run, int step = 1)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        (FlexGenShares Shares, double Seconds)? best = null;
        var tiers = Tiers(step).ToArray();
        foreach (var weights in tiers)
        {
            foreach (var cache in tiers)
            {
                foreach (var hidden in tiers)
                {
                    var shares = new FlexGenShares(weights, cache, hidden);
                    if (Fits(run, shares) && Seconds(run, shares) is var seconds && (best is null || seconds < best.Value.Seconds))
                        best = (shares, seconds);
                }
            }
        }

        return best;
    }

    /// <summary>T = T_pre l + T_gen (n - 1) l.</summary>
    public static double Seconds(FlexGenRun run, FlexGenShares shares)
    {
        ArgumentNullException.ThrowIfNull(run);
        return run.Layers * (Prompt(run, shares) + (Step(run, shares) * (run.OutputTokens - 1)));
    }

    /// <summary>Whether the tiers have room, at the end of a run.</summary>
    public static bool Fits(FlexGenRun run, FlexGenShares shares)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (weights, cache, hidden) = (Weights(run) * run.Layers, Cache(run, run.PromptTokens + run.OutputTokens) * run.Layers, Hidden(run, run.PromptTokens));
        // Of what is elsewhere a layer's is on the device while it is computed.
        var working = (Weights(run) * (1 - shares.Weights.Device)) + Hidden(run, run.PromptTokens);
        return Sum(static tier => tier.Device) + working <= run.Memory.Device && Sum(static tier => tier.Host) <= run.Memory.Host
            && Sum(static tier => tier.Disk) <= run.Memory.Disk;

        double Sum(Func<TierShares, double> of) => (weights * of(shares.Weights)) + (cache * of(shares.Cache)) + (hidden * of(shares.Hidden));
    }

    private static double Weights(FlexGenRun run) => (8.0 * run.Width * run.Width) + (4.0 * run.Width * run.FeedForwardWidth);

    private static double Cache(FlexGenRun run, double tokens) => 4.0 * run.Block * tokens * run.Width;

    private static double Hidden(FlexGenRun run, double tokens) => 2.0 * run.Block * tokens * run.Width;

    private static double Prompt(FlexGenRun run, FlexGenShares shares)
    {
        var (up, down, read, write) = run.Links;
        var (away, s) = (shares.Hidden.Host + shares.Hidden.Disk, (double)run.PromptTokens);
        var toDevice = ((Weights(run) * (shares.Weights.Host + shares.Weights.Disk)) + (Hidden(run, s) * away)) / up;
        var toHost = ((Cache(run, s + 1) * (shares.Cache.Host + shares.Cache.Disk)) + (Hidden(run, s) * away)) / down;
        var fromDisk = ((Weights(run) * shares.Weights.Disk) + (Hidden(run, s) * shares.Hidden.Disk)) / read;
        var toDisk = ((Cache(run, s + 1) * shares.Cache.Disk) + (Hidden(run, s) * shares.Hidden.Disk)) / write;
        var matrices = run.Block * s * Weights(run) / run.Rates.Prompt;
        var attention = 4 * run.Block * s * s * run.Width / run.Rates.Attention;
        return Math.Max(toDevice + fromDisk, Math.Max(toHost + toDisk, matrices + attention));
    }

    private static double Step(FlexGenRun run, FlexGenShares shares)
    {
        var (up, down, read, write) = run.Links;
        var (away, tokens) = (shares.Hidden.Host + shares.Hidden.Disk, run.PromptTokens + (run.OutputTokens / 2.0));
        var toDevice = ((Weights(run) * (shares.Weights.Host + shares.Weights.Disk)) + (Hidden(run, 1) * away)) / up;
        var toHost = Hidden(run, 1) * away / down;
        var fromDisk = ((Cache(run, tokens) * shares.Cache.Disk) + (Weights(run) * shares.Weights.Disk) + (Hidden(run, 1) * shares.Hidden.Disk)) / read;
        var toDisk = ((Cache(run, 1) * shares.Cache.Disk) + (Hidden(run, 1) * shares.Hidden.Disk)) / write;
        var matrices = run.Block * Weights(run) / run.Rates.Step;
        var attention = 4 * run.Block * tokens * run.Width;
        // What is not on the device is attended on the host, where it is.
        var onHost = shares.Cache.Host + shares.Cache.Disk;
        var computed = matrices + (attention * shares.Cache.Device / run.Rates.Attention) + (attention * onHost / run.Rates.Host);
        return toDevice + Math.Max(Math.Max(toHost, fromDisk), Math.Max(toDisk, computed));
    }

    private static IEnumerable<TierShares> Tiers(int step)
    {
        for (var device = 0; device <= Grid; device += step)
        {
            for (var host = 0; host <= Grid - device; host += step)
                yield return new TierShares(device / (double)Grid, host / (double)Grid, (Grid - device - host) / (double)Grid);
        }
    }
}
