using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>What the operating system can be told about memory. Advice only: a system that has no such call is left alone.</summary>
internal static unsafe partial class SystemMemory
{
    private const int WillNeed = 3;
    private const int DontNeed = 4;
    private const int HugePage = 14;

    public static void AdviseHugePages(void* start, long bytes) => Advise(start, bytes, HugePage);

    public static void AdviseWillNeed(void* start, long bytes) => Advise(start, bytes, WillNeed);

    /// <summary>Of a mapped file: its pages leave this process, and are read again when they are touched.</summary>
    public static void AdviseDontNeed(void* start, long bytes) => Advise(start, bytes, DontNeed);

    private static void Advise(void* start, long bytes, int advice)
    {
        // The result is ignored: without the advice everything works, more slowly.
        if (OperatingSystem.IsLinux())
            _ = Madvise(start, (nuint)bytes, advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* start, nuint bytes, int advice);
}
