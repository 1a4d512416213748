using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Assembly;

/// <summary>Linux saves the eight kilobytes of AMX tiles only for processes that have asked for them.</summary>
internal static partial class TilePermission
{
    private const nint ArchPrctl = 158;
    private const nint RequestStatePermission = 0x1023;
    private const nint TileData = 18;

    /// <summary>Asks for all threads of the process. Other systems than Linux on x64 are not asked: nothing is known of them.</summary>
    public static bool IsGranted() =>
        OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 && Syscall(ArchPrctl, RequestStatePermission, TileData) == 0;

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint Syscall(nint number, nint first, nint second);
}
