using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Files;

/// <summary>What a path leads to; .NET tells folders and links alone from the rest.</summary>
public enum FileKind
{
    /// <summary>Nothing, or the system cannot be asked.</summary>
    Unknown,

    /// <summary>A file that has its content on a file system.</summary>
    Regular,

    Folder,

    /// <summary>A socket of the file system.</summary>
    Socket,

    /// <summary>A device or a pipe: to put a file in its place takes it from everybody.</summary>
    Device,
}

/// <summary>Asks the system for a <see cref="FileKind"/>.</summary>
public static partial class FileKinds
{
    private const int CurrentFolder = -100;
    private const uint TypeWanted = 1;
    private const int StatusBytes = 256;
    private const int ModeOffset = 28;

    /// <summary>Of what is there when links were followed.</summary>
    public static FileKind Of(string path)
    {
        if (!OperatingSystem.IsLinux())
            return FileKind.Unknown;
        var status = new byte[StatusBytes];
        try
        {
            if (Status(CurrentFolder, path, 0, TypeWanted, status) != 0)
                return FileKind.Unknown;
        }
        // Of an older C library.
        catch (EntryPointNotFoundException)
        {
            return FileKind.Unknown;
        }

        return (BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(ModeOffset)) >> 12) switch
        {
            0x8 => FileKind.Regular,
            0x4 => FileKind.Folder,
            0xC => FileKind.Socket,
            _ => FileKind.Device,
        };
    }

    // Alone among its like it fills in the same bytes on every processor.
    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Status(int folder, string path, int flags, uint wanted, [Out] byte[] status);
}
