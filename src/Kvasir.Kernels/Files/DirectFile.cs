using System.ComponentModel;
using System.Runtime.InteropServices;
using Kvasir.Kernels.Memory;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Kernels.Files;

/// <summary>
/// A file without a name, for rows that nobody needs when the process is gone, read and written past the page cache where the file system can do that: what is
/// read comes from the device, into the reader's own memory, and takes no other. Whether it can is tried, not believed: a block is written and read back
/// before anything else. Offsets, lengths and addresses are multiples of <see cref="Alignment"/>.
/// </summary>
public sealed partial class DirectFile : IDisposable
{
    /// <summary>Of every offset, length and address.</summary>
    public const int Alignment = 4096;

    private const int GetFlags = 3;
    private const int SetFlags = 4;
    private const int DontNeed = 4;
    private readonly SafeFileHandle _file;
    private readonly FileStream _stream;

    private DirectFile(FileStream stream, long bytes) => (_stream, _file, Bytes) = (stream, stream.SafeFileHandle, bytes);

    /// <summary>That it has: the file system has given them.</summary>
    public long Bytes { get; }

    /// <summary>Why reads go through the page cache all the same; null where they do not.</summary>
    public string? WhyCached { get; private set; }

    /// <summary>For tests, which ask the system.</summary>
    internal int Descriptor => (int)_file.DangerousGetHandle();

    // Of the processor, as the system's headers have it.
    internal static int DirectFlag => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x10000 : 0x4000;

    /// <summary>Has reads and writes pass the page cache, or go through it; null when done, else why that cannot be.</summary>
    internal static string? WhyNotSwitched(SafeFileHandle file, bool isDirect)
    {
        if (!OperatingSystem.IsLinux())
            return "the page cache is passed on Linux alone";
        var flags = Control(file, GetFlags, 0);
        return flags < 0 || Control(file, SetFlags, isDirect ? flags | DirectFlag : flags & ~DirectFlag) < 0
            ? new Win32Exception(Marshal.GetLastPInvokeError()).Message
            : null;
    }

    /// <summary>Reads until so many bytes are there, into whole blocks: more may come.</summary>
    internal static void Read(SafeFileHandle file, long offset, Span<byte> into, long wanted)
    {
        for (var done = 0; done < wanted;)
        {
            var read = RandomAccess.Read(file, into[done..], offset + done);
            if (read == 0)
                throw new IOException($"the file ends at byte {offset + done}, before {offset + wanted}");
            done += read;
        }
    }

    internal static void Require(long number, string name)
    {
        if (number < 0 || number % Alignment != 0)
            throw new ArgumentOutOfRangeException(name, number, $"is no multiple of {Alignment}");
    }

    /// <summary>Makes a file in a folder: its name is gone when this returns, so that nothing is left of it however the process ends.</summary>
    /// <param name="bytes">A multiple of <see cref="Alignment"/>.</param>
    /// <exception cref="IOException">There is no such folder, or not so much room.</exception>
    /// <exception cref="UnauthorizedAccessException">No file may be made there.</exception>
    public static DirectFile Create(string folder, long bytes)
    {
        Require(bytes, nameof(bytes));
        FileSizeLimit.IsAnError();
        var stream = new FileStream(Path.Combine(folder, $"kvasir-{Guid.NewGuid():N}"), new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            BufferSize = 0,
            PreallocationSize = bytes,
            Options = FileOptions.DeleteOnClose,
        });
        if (!OperatingSystem.IsWindows())
            File.Delete(stream.Name);
        var file = new DirectFile(stream, bytes);
        try
        {
            file.WhyCached = file.TryDirect();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Fills memory with what was written there.</summary>
    /// <exception cref="IOException">The device failed, or the file ends before.</exception>
    public void Read(long offset, NativeView memory)
    {
        Require(offset, memory);
        Read(_file, offset, memory.Span(0, checked((int)memory.Bytes)), memory.Bytes);
    }

    /// <exception cref="IOException">The device failed.</exception>
    public void Write(long offset, NativeView memory)
    {
        Require(offset, memory);
        RandomAccess.Write(_file, memory.Span(0, checked((int)memory.Bytes)), offset);
    }

    /// <summary>Returns when what was written has reached the device; what the page cache has of it is dropped.</summary>
    /// <exception cref="IOException">The device failed.</exception>
    public void Sync()
    {
        RandomAccess.FlushToDisk(_file);
        if (OperatingSystem.IsLinux() && WhyCached is not null)
            _ = Advise(_file, 0, 0, DontNeed);
    }

    public void Dispose() => _stream.Dispose();

    // Null when blocks come back past the cache as they were written.
    private string? TryDirect()
    {
        if (WhyNotSwitched(_file, isDirect: true) is { } unable)
            return unable;
        using var memory = NativeBuffer.Uninitialized(2 << 20);
        var (written, read) = (memory.View.Slice(0, Alignment), memory.View.Slice(Alignment, Alignment));
        for (var i = 0; i < Alignment; i++)
            (written.Span(i, 1)[0], read.Span(i, 1)[0]) = ((byte)(i * 31), 0);
        try
        {
            Write(0, written);
            Read(0, read);
            if (read.Span(0, Alignment).SequenceEqual(written.Span(0, Alignment)))
                return null;
            _ = WhyNotSwitched(_file, isDirect: false);
            return "a block that was written came back otherwise";
        }
        catch (IOException refusal)
        {
            _ = WhyNotSwitched(_file, isDirect: false);
            return refusal.Message;
        }
    }

    private void Require(long offset, NativeView memory)
    {
        Require(offset, nameof(offset));
        Require(memory.Bytes, nameof(memory));
        Require(memory.Address, nameof(memory));
        if (memory.Bytes > Bytes - offset)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"{memory.Bytes} bytes from there are beyond the {Bytes} of the file");
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(SafeFileHandle file, int command, int value);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, nint offset, nint length, int advice);
}
