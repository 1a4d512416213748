using System.Text;
using Kvasir.Kernels.Files;

namespace Kvasir.Cli.Shared;

/// <summary>
/// A file that a report goes to once there is one. Whether it can be written is known before anything is computed; until it is written everything stays
/// as it was, however the process ends.
/// </summary>
internal static class ReportFile
{
    /// <summary>Looks whether the file can be written, and leaves everything as it was.</summary>
    /// <exception cref="KvasirException">It cannot be written.</exception>
    public static void RequireWritable(string path) => Guard(path, () =>
    {
        if (Path.Exists(path))
            new FileStream(path, FileMode.Open, FileAccess.Write).Dispose();
        else
            Try(path);
    });

    /// <summary>As <see cref="RequireWritable"/>, for what will be written beside the file and put in its place.</summary>
    /// <exception cref="KvasirException">It is there, and cannot be written or is no file.</exception>
    public static void RequireReplaceable(string path) => Guard(path, () =>
    {
        ReplacedFile.RequireReplaceable(path);
        if (Path.Exists(path))
            new FileStream(path, FileMode.Open, FileAccess.Write).Dispose();
    });

    /// <summary>As <see cref="RequireWritable"/>, for files in a folder that may be missing.</summary>
    /// <exception cref="KvasirException">It cannot be made, or no file can be written in it.</exception>
    public static void RequireFolder(string path) => Guard(path, () =>
    {
        var missing = new List<string>();
        for (var folder = Path.GetFullPath(path); !Path.Exists(folder) && Path.GetDirectoryName(folder) is { } above; folder = above)
            missing.Add(folder);
        Directory.CreateDirectory(path);
        Try(Path.Combine(path, Path.GetRandomFileName()));
        missing.ForEach(Directory.Delete);
    });

    /// <exception cref="KvasirException">It cannot be made.</exception>
    public static void MakeFolder(string path) => Guard(path, () => Directory.CreateDirectory(path));

    /// <summary>Replaces the content, as UTF-8.</summary>
    /// <exception cref="KvasirException">It cannot be written any more.</exception>
    public static void Write(string path, Action<TextWriter> write) => Guard(path, () =>
    {
        using var writer = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { NewLine = "\n" };
        write(writer);
    });

    private static void Try(string path) => new FileStream(
        path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose }).Dispose();

    private static void Guard(string path, Action act)
    {
        try
        {
            act();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {problem.Message}", problem);
        }
    }
}
