namespace Kvasir.Planning;

/// <summary>
/// Adds up what a run of ALISA would take on a machine that is not here: each step's computing, its traffic over the link, and what is computed again. α is
/// the share of tokens that live on the host, so that what goes there in a step is what it grows by; chosen tokens that lie there come over the link at every
/// step.
/// </summary>
public static class VirtualClock
{
    /// <summary>All steps, with what lies where when they are over.</summary>
    public static ClockReport Replay(AlisaRun run, AlisaPhases phases)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (compute, link, recompute, total) = (0.0, 0.0, 0.0, 0.0);
        for (var step = 1; step <= run.OutputTokens; step++)
        {
            var cost = Step(run, phases, step);
            (compute, link, recompute) = (compute + cost.Compute, link + cost.Link, recompute + cost.Recompute);
            total += Joined(run, cost);
        }

        return new ClockReport(total, compute, link, recompute);
    }

    /// <summary>Seconds of the steps from one on.</summary>
    public static double[] Steps(AlisaRun run, int first, AlisaPhases phases)
    {
        ArgumentNullException.ThrowIfNull(run);
        var seconds = new double[Math.Max(0, run.OutputTokens - first + 1)];
        for (var i = 0; i < seconds.Length; i++)
            seconds[i] = Seconds(run, phases, first + i);
        return seconds;
    }

    /// <summary>Seconds of one step.</summary>
    public static double Seconds(AlisaRun run, AlisaPhases phases, int step)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Joined(run, Step(run, phases, step));
    }

    /// <summary>Bytes on the host, on the device and nowhere, behind a step.</summary>
    public static (double Host, double Device, double Deleted) Residency(AlisaRun run, AlisaPhases phases, int step)
    {
        ArgumentNullException.ThrowIfNull(run);
        var (tokens, host, deleted) = Tokens(run, phases, step);
        return ((host - deleted) * run.TokenBytes, (tokens - host) * run.TokenBytes, deleted * run.TokenBytes);
    }

    private static (double Compute, double Link, double Recompute) Step(AlisaRun run, AlisaPhases phases, int step)
    {
        var (tokens, host, deleted) = Tokens(run, phases, step);
        var (_, hostBefore, deletedBefore) = step > 1 ? Tokens(run, phases, step - 1) : (0, 0, 0);
        var chosen = Math.Min(tokens, Math.Round(tokens * run.Ratio));
        // Half of what is chosen are the newest, which the device has; the other half may be anywhere before them. The paper's bars have all of it cross.
        var (wanted, among) = run.FetchesAll ? (chosen, tokens) : (chosen / 2, Math.Max(1, tokens - (chosen / 2)));
        var (fetched, again) = (wanted * Math.Min(1, (host - deleted) / among), wanted * Math.Min(1, deleted / among));
        // What is deleted in the same step need not go to the host first.
        var moved = Math.Max(0, host - hostBefore - Math.Max(0, deleted - deletedBefore)) + fetched;
        return (run.Compute(chosen), moved * run.TokenBytes * run.MovedShare / run.BytesPerSecond, again > 0 ? run.Recompute(again) : 0);
    }

    private static (double Tokens, double Host, double Deleted) Tokens(AlisaRun run, AlisaPhases phases, int step)
    {
        double tokens = run.PromptTokens + step;
        var host = step >= phases.FirstOffload ? phases.HostShare * tokens : 0;
        return (tokens, host, step >= phases.FirstDelete ? phases.DeletedShare * host : 0);
    }

    private static double Joined(AlisaRun run, (double Compute, double Link, double Recompute) cost) =>
        run.Overlaps ? Math.Max(cost.Compute + cost.Recompute, cost.Link) : cost.Compute + cost.Link + cost.Recompute;
}

/// <param name="TotalSeconds">Of all steps, with what overlaps counted once.</param>
/// <param name="LinkSeconds">That the link is busy.</param>
public readonly record struct ClockReport(double TotalSeconds, double ComputeSeconds, double LinkSeconds, double RecomputeSeconds);
