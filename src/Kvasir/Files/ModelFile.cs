using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>Opening of files that a user named: whatever the system answers becomes one line with the file in it.</summary>
internal static class ModelFile
{
    public static MappedFile Map(string path)
    {
        RequireContent(path);
        return Guard(path, static path => MappedFile.Open(path));
    }

    /// <summary>A small text file whole; larger ones are refused before they are read.</summary>
    public static byte[] Read(string path, long limitBytes)
    {
        var bytes = RequireContent(path);
        if (bytes > limitBytes)
            throw new KvasirException(KvasirError.BadFile, $"{path}: {bytes} bytes exceed the limit of {limitBytes} for such a file");
        return Guard(path, static path => File.ReadAllBytes(path));
    }

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
