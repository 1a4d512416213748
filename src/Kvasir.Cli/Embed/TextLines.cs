using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Embed;

/// <summary>The texts that are to be embedded: one that was typed, or a line each.</summary>
/// <param name="source">Where lines come from, for messages; null for the text that was typed.</param>
internal sealed class TextLines(IReadOnlyList<string> texts, string? source)
{
    public IReadOnlyList<string> All => texts;

    /// <param name="typed">The text itself, or null.</param>
    /// <param name="file">A file, or null; with neither, standard input is read.</param>
    /// <exception cref="KvasirException">A line is empty, there is none, or the file cannot be read.</exception>
    public static TextLines Read(Shell shell, string? typed, string? file)
    {
        if (typed is not null && typed != PromptText.StandardInput)
            return new TextLines([typed], null);
        var text = PromptText.Read(shell, null, file, keepsEnd: false);
        PromptText.RequireSome(text, file);
        var source = file is null or PromptText.StandardInput ? "the standard input" : Printable.Line(file);
        var lines = new TextLines(text.ReplaceLineEndings("\n").Split('\n'), source);
        for (var i = 0; i < lines.All.Count; i++)
        {
            // Nothing is left out: the vectors are as many as the lines.
            if (lines.All[i].Length == 0)
                throw new KvasirException(KvasirError.BadOption, $"{lines.Place(i)} is empty, which is nothing to embed");
        }

        return lines;
    }

    /// <summary>Which text it is, for messages.</summary>
    public string Place(int index) => source is null ? "the text" : $"line {index + 1} of {source}";
}
