using System.Text.Json.Nodes;
using Kvasir.Cli;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Support;

/// <summary>A command line run in this process: what it wrote, and its exit code.</summary>
internal sealed record CliRun(int ExitCode, string Output, string Error)
{
    /// <summary>The output's lines as JSON.</summary>
    public JsonNode[] Json => [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonNode.Parse(line)!)];

    public static CliRun Of(params string[] args) => With((string?)null, args);

    // How fast memory is read is not what is asked here.
    public static CliRun With(string? input, params string[] args) =>
        With(new Shell(new StringReader(input ?? ""), new StringWriter(), new StringWriter()) { ProbeBytes = 8 << 20 }, args);

    /// <param name="shell">Its writers are made for a <see cref="StringWriter"/>.</param>
    public static CliRun With(Shell shell, params string[] args)
    {
        var exitCode = Verbs.Run(args, shell);
        return new CliRun(exitCode, Text(shell.Output), Text(shell.Error));
    }

    /// <summary>Asserts that the command failed with one line, and nothing on the output.</summary>
    public void AssertFails(int exitCode, string line)
    {
        Assert.Equal(line + "\n", Error);
        Assert.Equal("", Output);
        Assert.Equal(exitCode, ExitCode);
    }

    /// <summary>Asserts that the request failed with one line that says <paramref name="part"/>, and nothing on the output.</summary>
    public void AssertOneLine(string part)
    {
        Assert.Contains(part, Error, StringComparison.Ordinal);
        Assert.Single(Error.TrimEnd('\n').Split('\n'));
        Assert.Equal((1, ""), (ExitCode, Output));
    }

    private static string Text(TextWriter writer) => writer.ToString()!.ReplaceLineEndings("\n");
}
