namespace Kvasir.Planning;

/// <summary>Finds ALISA's phases: p1 follows from what the device holds; p2, α and β are tried, all of them on a grid.</summary>
public static class AlisaPlanner
{
    private const double HostStep = 0.01;
    private const double MostHost = 0.99;
    private static readonly double[] DeletedShares = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5];

    /// <summary>The first step whose tokens the device does not hold; one past the last where it holds all.</summary>
    public static int FirstOffload(AlisaRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var held = (int)Math.Floor(run.DeviceBytes / run.TokenBytes);
        return Math.Clamp(held - run.PromptTokens + 1, 1, run.OutputTokens + 1);
    }

    /// <summary>The phases of the shortest run; null where no share on the host is small enough for it and large enough for the device.</summary>
    /// <param name="stride">Steps between those that are tried for p2.</param>
    public static (AlisaPhases Phases, double Seconds)? Solve(AlisaRun run, int stride = 1)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        var first = FirstOffload(run);
        if (first > run.OutputTokens)
            return (new AlisaPhases(first, first, 0, 0), VirtualClock.Replay(run, new AlisaPhases(first, first, 0, 0)).TotalSeconds);
        (AlisaPhases Phases, double Seconds)? best = null;
        foreach (var host in HostShares())
        {
            if (!DeviceHolds(run, host))
                continue;
            // Steps before p2 cost the same whatever it is, and so do those behind it: two running sums for all of them, and the step itself.
            var kept = VirtualClock.Steps(run, first, new AlisaPhases(first, int.MaxValue, host, 0));
            foreach (var deleted in DeletedShares)
            {
                var (before, behind) = (0.0, VirtualClock.Steps(run, first, new AlisaPhases(first, first, host, deleted)));
                var after = behind.Sum();
                for (var second = first; second <= run.OutputTokens + 1; second++)
                {
                    var isLast = second > run.OutputTokens;
                    after -= isLast ? 0 : behind[second - first];
                    var phases = new AlisaPhases(first, second, host, deleted);
                    var seconds = before + after + (isLast ? 0 : VirtualClock.Seconds(run, phases, second));
                    if ((isLast || (second - first) % stride == 0) && HostHolds(run, second, host, deleted) && (best is null || seconds < best.Value.Seconds))
                        best = (phases, seconds);
                    before += isLast ? 0 : kept[second - first];
                }
            }
        }

        return best is { } found ? (found.Phases, found.Seconds + VirtualClock.Steps(run, 1, found.Phases).Take(first - 1).Sum()) : null;
    }

    /// <summary>Whether the device has room for what is not on the host, at every length.</summary>
    public static bool DeviceHolds(AlisaRun run, double host)
    {
        ArgumentNullException.ThrowIfNull(run);
        return (1 - host) * (run.PromptTokens + run.OutputTokens) * run.TokenBytes <= run.DeviceBytes;
    }

    /// <summary>Whether the host has room for its share, of which the oldest are deleted from a step on.</summary>
    public static bool HostHolds(AlisaRun run, int firstDelete, double host, double deleted)
    {
        ArgumentNullException.ThrowIfNull(run);
        var last = run.PromptTokens + run.OutputTokens;
        var before = Math.Min(last, run.PromptTokens + firstDelete - 1);
        var after = firstDelete <= run.OutputTokens ? (1 - deleted) * last : 0;
        return host * run.TokenBytes * Math.Max(before, after) <= run.HostBytes;
    }

    private static IEnumerable<double> HostShares()
    {
        for (var i = 1; i * HostStep <= MostHost + 1e-9; i++)
            yield return i * HostStep;
    }
}
