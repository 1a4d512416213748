using System.IO.MemoryMappedFiles;

namespace Kvasir.Kernels.Memory;

/// <summary>A file mapped read-only: weights are read from the page cache where they lie, and never copied at load.</summary>
public sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _accessor;
    private byte* _start;

    private MappedFile(MemoryMappedFile file, MemoryMappedViewAccessor accessor, string path, long bytes)
    {
        (_file, _accessor, Path, Bytes) = (file, accessor, path, bytes);
        accessor.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    public string Path { get; }

    public long Bytes { get; }

    /// <summary>The whole file.</summary>
    public NativeView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start is null, this);
            return new NativeView(_start, Bytes);
        }
    }

    /// <exception cref="IOException">The file does not exist or cannot be read; an empty file cannot be mapped.</exception>
    public static MappedFile Open(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        var bytes = stream.Length;
        if (bytes == 0)
            throw new IOException($"{path} is empty");
        var file = MemoryMappedFile.CreateFromFile(stream, null, bytes, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            return new MappedFile(file, file.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.Read), path, bytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Asks the system to read these bytes ahead.</summary>
    public static void ReadAhead(NativeView view)
    {
        const long PageMask = 4095;
        var start = (nint)view.Start & ~(nint)PageMask;
        SystemMemory.AdviseWillNeed((void*)start, view.Bytes + (view.Address - start));
    }

    /// <summary>Gives the whole pages of these bytes back; they are read again when they are touched.</summary>
    public static void Release(NativeView view)
    {
        const long PageMask = 4095;
        var start = (view.Address + PageMask) & ~PageMask;
        var end = (view.Address + view.Bytes) & ~PageMask;
        if (end > start)
            SystemMemory.AdviseDontNeed((void*)start, end - start);
    }

    public void Dispose()
    {
        if (_start is null)
            return;
        _start = null;
        _accessor.SafeMemoryMappedViewHandle.ReleasePointer();
        _accessor.Dispose();
        _file.Dispose();
    }
}
