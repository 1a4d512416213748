using System.Diagnostics;
using Kvasir.Cli;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Completion;

/// <summary>The scripts, in the shells that are here.</summary>
public sealed class CompletionCommandTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("", "demo run chat embed serve ps list inspect cache plan policies calibrate eval tune bench completion --help --version")]
    [InlineData("r", "run")]
    [InlineData("run --te", "--temperature")]
    [InlineData("run stories260K --kv q", "q8 quantspec")]
    [InlineData("run stories260K --kv-values int8-", "int8-channel")]
    [InlineData("run stories260K --attention ps", "psa")]
    [InlineData("run stories260K --max-tokens ", "")]
    [InlineData("run stor", "stories260K")]
    [InlineData("run fil", "file.txt")]
    [InlineData("run stories260K --kv = q", "q8 quantspec")]
    [InlineData("run stories260K --kv-values =", "bf16 q8 int8 int8-channel kivi4 kivi2 quantspec f32")]
    [InlineData("eval ag", "agree")]
    [InlineData("eval agree --no-", "--no-answers")]
    [InlineData("eval vt needle --sw", "--sweep")]
    [InlineData("eval agree needle --attention dense,ps", "dense,psa")]
    [InlineData("eval vt needle --protocol a,", "a,a a,b")]
    [InlineData("tune needle --by ", "keys time")]
    [InlineData("completion ", "bash zsh fish")]
    public void BashCompletes(string typed, string completions)
    {
        _folder.Write("file.txt", "");
        AssertBash(typed, "${COMPREPLY[@]}", completions);
    }

    [Fact]
    public void BashCompletesFileNamesWithBlanks()
    {
        _folder.Write("my long file.txt", "");
        AssertBash("run my", "${#COMPREPLY[@]} ${COMPREPLY[0]}", "1 my long file.txt");
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public void ShellsTakeTheScript(string shell)
    {
        var script = _folder.Write("script", CliRun.Of("completion", shell).Output);
        if (Shell(shell, "-n", script) is { } run)
            Assert.Equal((0, "", ""), run);
        else
            Assert.Skip($"there is no {shell}");
    }

    [Theory]
    [InlineData("bash", "")]
    [InlineData("zsh", "")]
    [InlineData("fish", "-l ")]
    public void ScriptsHaveEveryVerbFlagAndChoice(string shell, string dashes)
    {
        var script = CliRun.Of("completion", shell).Output;
        foreach (var verb in Verbs.All(new Shell(TextReader.Null, TextWriter.Null, TextWriter.Null)))
        {
            Assert.Contains(verb.Name.Split(' ')[^1], script, StringComparison.Ordinal);
            foreach (var flag in verb.Flags.SelectMany(static group => group.Flags))
            {
                Assert.Contains(dashes.Length > 0 ? dashes + flag.Name[2..] : flag.Name, script, StringComparison.Ordinal);
                Assert.Contains(string.Join(' ', flag.Choices), script, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void AnUnknownShellIsOneLine() =>
        CliRun.Of("completion", "csh").AssertFails(2, "kvasir: 'csh' is not bash, zsh or fish; see kvasir completion --help");

    private void AssertBash(string typed, string shown, string expected)
    {
        var script = _folder.Write("kvasir.bash", CliRun.Of("completion", "bash").Output);
        var test = $$"""
            compopt() { :; }
            source '{{script}}'
            COMP_WORDS=(kvasir {{(typed.Length == 0 || typed.EndsWith(' ') ? $"{typed}''" : typed)}})
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _kvasir
            echo "{{shown}}"
            """;
        if (Shell("bash", "--norc", "-c", test) is { } run)
            Assert.Equal((0, expected + "\n", ""), run);
        else
            Assert.Skip("there is no bash");
    }

    // Null where it is not installed.
    private (int ExitCode, string Output, string Error)? Shell(string name, params string[] args)
    {
        if (!new[] { "/bin", "/usr/bin", "/usr/local/bin" }.Any(folder => File.Exists(Path.Combine(folder, name))))
            return null;
        var start = new ProcessStartInfo(name, args) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder.Path };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
