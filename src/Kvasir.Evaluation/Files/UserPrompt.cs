namespace Kvasir.Evaluation.Files;

/// <summary>A prompt of somebody's own, for measurements that need no answers.</summary>
/// <param name="Place">Where it stands, for messages: a file, or a file and a line.</param>
/// <param name="Text">As it is, without a chat template.</param>
public sealed record UserPrompt(string Place, string Text)
{
    /// <summary>Each file is a prompt; a last line break, which editors put there, is no part of it.</summary>
    /// <exception cref="KvasirException">A file is missing, too large, empty, or no UTF-8 text.</exception>
    public static IReadOnlyList<UserPrompt> OfFiles(IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        return [.. paths.Select(static path => new UserPrompt(path, WithoutEnd(TextFile.Read(path), path)))];
    }

    /// <summary>Each line of a file of JSON is a prompt: its field "prompt", or "input".</summary>
    /// <exception cref="KvasirException">The file is missing or empty, or a line is damaged or has no prompt.</exception>
    public static IReadOnlyList<UserPrompt> OfLines(string path)
    {
        var prompts = new List<UserPrompt>();
        JsonLines.Open(path, line => prompts.Add(new UserPrompt($"{path}:{line.Number}", line.Text("prompt", "input"))));
        return prompts;
    }

    private static string WithoutEnd(string text, string path)
    {
        var kept = text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
        return kept.Length > 0 ? kept : throw new KvasirException(KvasirError.BadFile, $"{path}: is empty");
    }
}
