using System.Text;

namespace Kvasir.Evaluation.Files;

/// <summary>A whole file of UTF-8 with something in it.</summary>
internal static class TextFile
{
    private const long MaxBytes = 256L << 20;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <exception cref="KvasirException">The file is missing, larger than 256 MiB, empty, or no text.</exception>
    public static string Read(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes and var bytes })
                throw new KvasirException(KvasirError.BadFile, $"{path}: has {bytes} bytes; the limit is {MaxBytes}");
            return Checked(File.ReadAllText(path, Utf8), path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw exception is DecoderFallbackException
                ? new KvasirException(KvasirError.BadFile, $"{path}: is no UTF-8 text", exception)
                : new KvasirException(KvasirError.FileNotFound, $"{path}: {exception.Message}", exception);
        }
    }

    // Weights and archives may be valid UTF-8 by chance; no text has a zero byte.
    private static string Checked(string text, string path) =>
        text.Length == 0 ? throw new KvasirException(KvasirError.BadFile, $"{path}: is empty")
        : text.Contains('\0', StringComparison.Ordinal) ? throw new KvasirException(KvasirError.BadFile, $"{path}: has a zero byte, and is no text")
        : text;
}
