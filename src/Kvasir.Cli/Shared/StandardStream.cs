namespace Kvasir.Cli.Shared;

/// <summary>
/// One of the process's standard streams. Whoever starts a process may have closed them, or joined them to something full: reading and writing then
/// fail by an exception that names the stream, or, where nothing depends on it, do nothing.
/// </summary>
/// <param name="inner">The stream itself; null where it is closed.</param>
/// <param name="name">For messages.</param>
/// <param name="isOptional">Whether what cannot be written is dropped: notes must not cost an answer.</param>
internal sealed class StandardStream(Stream? inner, string name, bool isOptional = false) : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// Whether a stream is there. The runtime opens files of its own before any code of ours runs, and the system gives them the numbers of streams that are
    /// closed; it marks them to be closed when a process is started, which a stream that came from there cannot be.
    /// </summary>
    /// <param name="descriptor">0, 1 or 2.</param>
    public static bool IsOpen(int descriptor)
    {
        const int ClosedOnExec = 0x80000;      // O_CLOEXEC, 02000000
        const string Folder = "/proc/self/fdinfo";
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Folder))
            return true;
        try
        {
            var flags = File.ReadLines($"{Folder}/{descriptor}").First(static line => line.StartsWith("flags:", StringComparison.Ordinal));
            return (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & ClosedOnExec) == 0;
        }
        catch (IOException)
        {
            return false;
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return Inner().Read(buffer);
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new IOException($"{name} cannot be read", problem);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            Inner().Write(buffer);
        }
        catch (Exception problem) when (isOptional && problem is (IOException or UnauthorizedAccessException))
        {
            return;
        }
        catch (UnauthorizedAccessException problem)
        {
            throw new IOException($"{name} cannot be written", problem);
        }
        catch (IOException problem) when (inner is not null)
        {
            // With its number, by which a reader who has had enough is known.
            throw new IOException($"{name} cannot be written: {problem.Message}", problem.HResult);
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private Stream Inner() => inner ?? throw new IOException($"{name} is closed");
}
