using System.Text;

namespace Kvasir.Cli;

/// <summary>Where a prompt comes from: the command line, a file, or the standard input stream.</summary>
internal static class PromptText
{
    /// <summary>The name that stands for the standard input stream.</summary>
    public const string StandardInput = "-";

    private const int LimitBytes = 1 << 30;

    /// <param name="typed">The prompt itself, or null.</param>
    /// <param name="file">A file in UTF-8, or null; with neither, standard input is read.</param>
    /// <param name="keepsEnd">Whether a file's last line break is part of the prompt. Editors and echo put one there that nobody means.</param>
    /// <exception cref="KvasirException">The file is missing, cannot be read, is too large, or is not UTF-8.</exception>
    public static string Read(Shell shell, string? typed, string? file, bool keepsEnd)
    {
        if (typed is not null && typed != StandardInput)
            return typed;
        var text = file is null or StandardInput ? ReadInput(shell) : ReadFile(file);
        return keepsEnd ? text : text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
    }

    private static string ReadInput(Shell shell)
    {
        try
        {
            return shell.Input.ReadToEnd();
        }
        catch (DecoderFallbackException problem)
        {
            throw NotUtf8("the standard input", problem);
        }
    }

    private static string ReadFile(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.Length > LimitBytes)
                throw new KvasirException(KvasirError.BadFile, $"{path}: {file.Length} bytes are more than the {LimitBytes} that a prompt may have");
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path)).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException problem)
        {
            throw NotUtf8(path, problem);
        }
        catch (Exception problem) when (problem is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} does not exist", problem);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be read: {problem.Message}", problem);
        }
    }

    private static KvasirException NotUtf8(string source, DecoderFallbackException problem) =>
        new(KvasirError.BadFile, $"{source} is not UTF-8 at byte {problem.Index}", problem);
}
