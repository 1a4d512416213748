using System.Text;

namespace Kvasir.Cli.Shared;

/// <summary>A file that a report goes to once there is one. Opened before anything is computed, so that one that cannot be written is known at once.</summary>
internal static class ReportFile
{
    /// <summary>What is there stays until there is something to put in its place.</summary>
    /// <exception cref="KvasirException">It cannot be written.</exception>
    public static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {problem.Message}", problem);
        }
    }

    /// <summary>Replaces the content, as UTF-8.</summary>
    public static void Write(FileStream file, Action<TextWriter> write)
    {
        file.SetLength(0);
        using var writer = new StreamWriter(file, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { NewLine = "\n" };
        write(writer);
    }
}
