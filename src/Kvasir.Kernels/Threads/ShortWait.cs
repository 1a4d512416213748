using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Threads;

/// <summary>Waits of less than a millisecond, in which a thread gives its processor to others: .NET's own are whole milliseconds.</summary>
public static partial class ShortWait
{
    private const int NanosecondsPerTick = 100;

    /// <summary>
    /// Waits until the clock of <see cref="Stopwatch"/> shows a time, or some 50 microseconds longer: as much as the system takes to wake a thread.
    /// </summary>
    public static void Until(long timestamp)
    {
        while (Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), timestamp) is { Ticks: > 0 } left)
        {
            if (OperatingSystem.IsLinux())
                Sleep(new Interval(left.Ticks / TimeSpan.TicksPerSecond, left.Ticks % TimeSpan.TicksPerSecond * NanosecondsPerTick), 0);
            else
                Thread.Yield();
        }
    }

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(in Interval wanted, nint left);

    // As the system's header has it where a word is 64 bits.
    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Interval(long Seconds, long Nanoseconds);
}
