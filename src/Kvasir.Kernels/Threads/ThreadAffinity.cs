using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Threads;

/// <summary>Which logical CPUs a thread may run on. Linux only; elsewhere the system's scheduler is left alone.</summary>
public static unsafe partial class ThreadAffinity
{
    // A fixed bit mask: 8192 CPUs is what the kernel itself can be configured for.
    private const int MaskBytes = 1024;

    /// <summary>Ties the calling thread to one logical CPU.</summary>
    /// <returns>False when the system has no such call, or has no such CPU for this process.</returns>
    public static bool TryPinCurrentThread(int cpu)
    {
        if (!OperatingSystem.IsLinux() || (uint)cpu >= MaskBytes * 8)
            return false;
        var mask = stackalloc byte[MaskBytes];
        mask[cpu / 8] = (byte)(1 << (cpu % 8));
        return SchedSetAffinity(0, MaskBytes, mask) == 0;
    }

    /// <summary>The logical CPUs that the calling thread may run on, ascending; null when the system does not say.</summary>
    public static int[]? AllowedCpus()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        var mask = stackalloc byte[MaskBytes];
        if (SchedGetAffinity(0, MaskBytes, mask) < 0)
            return null;
        var cpus = new List<int>();
        for (var cpu = 0; cpu < MaskBytes * 8; cpu++)
        {
            if ((mask[cpu / 8] >> (cpu % 8) & 1) != 0)
                cpus.Add(cpu);
        }

        return cpus.Count > 0 ? [.. cpus] : null;
    }

    // Thread 0 is the calling one. The masks are bytes, which is how a little-endian array of words looks.
    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SchedSetAffinity(int thread, nuint maskBytes, byte* mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int SchedGetAffinity(int thread, nuint maskBytes, byte* mask);
}
