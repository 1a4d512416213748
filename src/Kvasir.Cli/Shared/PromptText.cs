using Kvasir.Cli.Terminal;
using Kvasir.Files;

namespace Kvasir.Cli.Shared;

/// <summary>Where a prompt comes from: the command line, a file, or the standard input stream.</summary>
internal static class PromptText
{
    /// <summary>The name that stands for the standard input stream.</summary>
    public const string StandardInput = "-";

    private const int LimitBytes = 1 << 30;

    /// <param name="typed">The prompt itself, or null.</param>
    /// <param name="file">A file, or null; with neither, standard input is read.</param>
    /// <param name="keepsEnd">Whether a file's last line break is part of the prompt. Editors and echo put one there that nobody means.</param>
    /// <exception cref="KvasirException">The file is missing, cannot be read, is too large, or is no text.</exception>
    public static string Read(Shell shell, string? typed, string? file, bool keepsEnd)
    {
        if (typed is not null && typed != StandardInput)
            return typed;
        var text = file is null or StandardInput ? shell.Input.ReadToEnd() : PlainText.ReadFile(file, LimitBytes);
        return keepsEnd ? text : text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
    }

    /// <summary>Refuses a text that nothing can be done with.</summary>
    /// <param name="file">As for <see cref="Read"/>.</param>
    /// <exception cref="KvasirException">It is empty.</exception>
    public static void RequireSome(string text, string? file)
    {
        if (text.Length == 0)
            throw new KvasirException(KvasirError.BadOption, $"{(file is null or StandardInput ? "the standard input" : Printable.Line(file))} is empty");
    }
}
