using System.Diagnostics;

namespace Kvasir.Kernels.Machine;

/// <summary>Measures how fast threads multiply and add when nothing comes from memory: the floor under a prefill.</summary>
public static class MultiplyAddProbe
{
    private const double RoundSeconds = 0.004;

    /// <summary>The fastest form that this machine has; null when it has none, as most have none for bf16.</summary>
    /// <param name="threads">At least 1; up to the physical cores, each has one to itself.</param>
    /// <param name="runs">At least 1.</param>
    public static MultiplyAddSample? Measure(MultiplyAddKind arithmetic, int threads, int runs)
    {
        MultiplyAddSample? best = null;
        foreach (var loop in Loops(arithmetic))
        {
            if (!loop.IsSupported)
                continue;
            var turns = TurnsPerRound(loop);
            var seconds = ProbeThreads.Run(threads, runs, () => (() => loop.Run(turns), null)).Min();
            var sample = new MultiplyAddSample(threads, (double)loop.Operations * turns * threads / seconds, loop.Form);
            best = best is { } other && other.OperationsPerSecond >= sample.OperationsPerSecond ? other : sample;
        }

        return best;
    }

    internal static MultiplyAddLoop[] Loops(MultiplyAddKind arithmetic) => arithmetic switch
    {
        MultiplyAddKind.F32 => FloatLoops.All,
        MultiplyAddKind.BF16 => [AssembledLoops.TiledBf16, AssembledLoops.Bf16],
        MultiplyAddKind.Bytes => [AssembledLoops.Vnni, .. ByteLoops.All],
        _ => throw new ArgumentOutOfRangeException(nameof(arithmetic), arithmetic, null),
    };

    private static long TurnsPerRound(in MultiplyAddLoop loop)
    {
        var turns = 1000L;
        while (true)
        {
            var start = Stopwatch.GetTimestamp();
            loop.Run(turns);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (seconds > RoundSeconds / 4)
                return Math.Max(1, (long)(turns * RoundSeconds / seconds));
            turns *= 2;
        }
    }
}
