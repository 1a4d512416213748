using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>Opening of files that a user named: whatever the system answers becomes one line with the file in it.</summary>
internal static class ModelFile
{
    // What a clone of a repository has of large files where Git LFS is not installed.
    private static ReadOnlySpan<byte> PointerStart => "version https://git-lfs.github.com/spec/"u8;

    public static MappedFile Map(string path)
    {
        RequireContent(path);
        var file = Guard(path, static path => MappedFile.Open(path));
        if (!IsPointer(file.View.Span(0, (int)Math.Min(file.Bytes, PointerStart.Length))))
            return file;
        file.Dispose();
        throw Pointer(path);
    }

    /// <summary>A small text file whole; larger ones are refused before they are read.</summary>
    public static byte[] Read(string path, long limitBytes)
    {
        var bytes = RequireContent(path);
        if (bytes > limitBytes)
            throw new KvasirException(KvasirError.BadFile, $"{path}: {bytes} bytes exceed the limit of {limitBytes} for such a file");
        var content = Guard(path, static path => File.ReadAllBytes(path));
        return IsPointer(content) ? throw Pointer(path) : content;
    }

    private static bool IsPointer(ReadOnlySpan<byte> beginning) => beginning.StartsWith(PointerStart);

    private static KvasirException Pointer(string path) =>
        new(KvasirError.BadFile, $"{path} is a pointer of Git LFS in the place of the file; git lfs pull fetches the file itself");

    private static long RequireContent(string path)
    {
        if (Directory.Exists(path))
            throw new KvasirException(KvasirError.FileNotFound, $"{path} is a folder, not a file");
        if (!File.Exists(path))
            throw new KvasirException(KvasirError.FileNotFound, $"{path} does not exist");
        var bytes = Guard(path, static path => new FileInfo(path).Length);
        return bytes > 0 ? bytes : throw new KvasirException(KvasirError.BadFile, $"{path} is empty");
    }

    private static T Guard<T>(string path, Func<string, T> open)
    {
        try
        {
            return open(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be read: {MessageText.Line(exception.Message)}", exception);
        }
    }
}
