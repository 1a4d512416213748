using Kvasir.Files;

namespace Kvasir.Evaluation.Files;

/// <summary>A whole text file with something in it.</summary>
internal static class TextFile
{
    private const long MaxBytes = 256L << 20;

    /// <exception cref="KvasirException">The file is missing, larger than 256 MiB, empty, or no text.</exception>
    public static string Read(string path) =>
        PlainText.ReadFile(path, MaxBytes) is { Length: > 0 } text ? text : throw new KvasirException(KvasirError.BadFile, $"{path}: is empty");
}
