using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Assembly;

/// <summary>Pages for machine code: written first, executable afterwards, never both. Kept until the process ends.</summary>
internal static unsafe partial class ExecutableMemory
{
    private const int ProtectRead = 1;
    private const int ProtectWrite = 2;
    private const int ProtectExecute = 4;
    private const int MapPrivate = 2;
    private const int WindowsCommitReserve = 0x3000;
    private const uint WindowsReadWrite = 0x04;
    private const uint WindowsExecuteRead = 0x20;
    private const nint MapFailed = -1;

    // Darwin numbers this flag differently.
    private static int MapAnonymous => OperatingSystem.IsMacOS() ? 0x1000 : 0x20;

    /// <summary>The address of a copy of <paramref name="code"/> that can be called.</summary>
    /// <exception cref="Win32Exception">The system does not allow memory to become executable.</exception>
    public static nint Load(ReadOnlySpan<byte> code)
    {
        var bytes = (nuint)code.Length;
        if (OperatingSystem.IsWindows())
        {
            var pages = VirtualAlloc(0, bytes, WindowsCommitReserve, WindowsReadWrite);
            Require(pages != 0);
            code.CopyTo(new Span<byte>((void*)pages, code.Length));
            Require(VirtualProtect(pages, bytes, WindowsExecuteRead, out _) != 0);
            return pages;
        }

        var mapped = Mmap(0, bytes, ProtectRead | ProtectWrite, MapPrivate | MapAnonymous, -1, 0);
        Require(mapped != MapFailed);
        code.CopyTo(new Span<byte>((void*)mapped, code.Length));
        Require(Mprotect(mapped, bytes, ProtectRead | ProtectExecute) == 0);
        return mapped;
    }

    private static void Require(bool succeeded)
    {
        if (!succeeded)
            throw new Win32Exception(Marshal.GetLastPInvokeError());
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Mmap(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Mprotect(nint address, nuint bytes, int protection);

    [LibraryImport("kernel32", EntryPoint = "VirtualAlloc", SetLastError = true)]
    private static partial nint VirtualAlloc(nint address, nuint bytes, uint type, uint protection);

    [LibraryImport("kernel32", EntryPoint = "VirtualProtect", SetLastError = true)]
    private static partial int VirtualProtect(nint address, nuint bytes, uint protection, out uint old);
}
