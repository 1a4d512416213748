using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Files;

/// <summary>
/// The system's limit on the size of files. Who goes beyond it is sent a signal, which ends a process that does not answer; here it is answered from the first
/// file that is written until the process ends, since it is told of later than the write fails.
/// </summary>
internal static class FileSizeLimit
{
    // SIGXFSZ, on Linux and macOS.
    private const PosixSignal TooLarge = (PosixSignal)25;

    private static readonly PosixSignalRegistration? Answer =
        OperatingSystem.IsWindows() ? null : PosixSignalRegistration.Create(TooLarge, static signal => signal.Cancel = true);

    /// <summary>From now on a write beyond the limit fails as one does for which there is no room.</summary>
    public static void IsAnError() => GC.KeepAlive(Answer);
}
