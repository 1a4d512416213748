using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>What the operating system can be told about memory. Advice only: a system that has no such call is left alone.</summary>
internal static unsafe partial class SystemMemory
{
    private const int WillNeed = 3;
    private const int HugePage = 14;

    public static void AdviseHugePages(void* start, long bytes) => Advise(start, bytes, HugePage);

    public static void AdviseWillNeed(void* start, long bytes) => Advise(start, bytes, WillNeed);

    private static void Advise(void* start, long bytes, int advice)
    {
        // The result is ignored: without the advice everything works, more slowly.
        if (OperatingSystem.IsLinux())
            _ = Madvise(start, (nuint)bytes, advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* start, nuint bytes, int advice);
}
