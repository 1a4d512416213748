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

/// <summary>Kinds of multiply-add that <see cref="MultiplyAddProbe"/> measures.</summary>
public enum MultiplyAddKind
{
    /// <summary>Single precision.</summary>
    F32,

    /// <summary>Pairs of bf16 numbers, added in single precision.</summary>
    BF16,

    /// <summary>Bytes, added in 32 bits.</summary>
    Bytes,
}

/// <summary>How fast a machine multiplies and adds, in its fastest form, over several short runs.</summary>
/// <param name="Threads">That compute at once.</param>
/// <param name="OperationsPerSecond">Of the fastest run, all threads together; a multiply-add is two operations.</param>
/// <param name="Form">The instructions.</param>
public readonly record struct MultiplyAddSample(int Threads, double OperationsPerSecond, string Form);

/// <summary>A loop of nothing but multiply-adds that do not wait for each other.</summary>
/// <param name="Form">The instructions.</param>
/// <param name="IsSupported">Whether this machine has them.</param>
/// <param name="Operations">Of one turn of the loop; a multiply-add is two.</param>
/// <param name="Run">Takes the turns.</param>
internal readonly record struct MultiplyAddLoop(string Form, bool IsSupported, int Operations, Action<long> Run);
