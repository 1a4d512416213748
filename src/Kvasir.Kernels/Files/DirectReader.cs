using Kvasir.Kernels.Memory;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Kernels.Files;

/// <summary>
/// A file that is there, read past the page cache where the file system can do that: what is read again and again in order, and is more than memory holds,
/// would only drive out what memory holds of other things. Whether it can is tried: the first block has to come the same both ways. Offsets and addresses are
/// multiples of <see cref="DirectFile.Alignment"/>. Any number of threads may read at once.
/// </summary>
public sealed class DirectReader : IDisposable
{
    private readonly SafeFileHandle _file;

    private DirectReader(SafeFileHandle file) => (_file, Bytes) = (file, RandomAccess.GetLength(file));

    public long Bytes { get; }

    /// <summary>Why reads go through the page cache all the same; null where they do not.</summary>
    public string? WhyCached { get; private set; }

    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static DirectReader Open(string path)
    {
        var file = new DirectReader(File.OpenHandle(path));
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

    /// <summary>Fills memory with what lies there: all of it, or as much as there is before the file's end.</summary>
    /// <exception cref="IOException">The device failed, or the file has become shorter.</exception>
    public void Read(long offset, NativeView memory)
    {
        DirectFile.Require(offset, nameof(offset));
        DirectFile.Require(memory.Bytes, nameof(memory));
        DirectFile.Require(memory.Address, nameof(memory));
        DirectFile.Read(_file, offset, memory.Span(0, checked((int)memory.Bytes)), Math.Min(memory.Bytes, Bytes - offset));
    }

    public void Dispose() => _file.Dispose();

    private string? TryDirect()
    {
        using var memory = NativeBuffer.Uninitialized(2 << 20);
        var (plain, direct) = (memory.View.Slice(0, DirectFile.Alignment), memory.View.Slice(DirectFile.Alignment, DirectFile.Alignment));
        Read(0, plain);
        if (DirectFile.WhyNotSwitched(_file, isDirect: true) is { } refusal)
            return refusal;
        var length = (int)Math.Min(DirectFile.Alignment, Bytes);
        try
        {
            direct.Span(0, length).Clear();
            Read(0, direct);
            if (direct.Span(0, length).SequenceEqual(plain.Span(0, length)))
                return null;
            refusal = "a block came otherwise past the page cache";
        }
        catch (IOException problem)
        {
            refusal = problem.Message;
        }

        _ = DirectFile.WhyNotSwitched(_file, isDirect: false);
        return refusal;
    }
}
