using System.Diagnostics;
using System.Text.Json;
using Kvasir.Cli.Shared;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Tools.Test.Cli.Chat;

namespace Kvasir.Tools.Test.Cli;

/// <summary>The built executable, with real pipes and exit codes.</summary>
public sealed class ProcessTest : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _lengths;

    public ProcessTest() => _lengths = _folder.File("lengths.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheExecutableReadsAndWritesPipes()
    {
        var (exitCode, output, error) = Run("Once upon a time\n", "run", "stories260K", "--temperature", "0", "--max-tokens", "12");
        Assert.Equal((0, ", there was a little girl named Lily. She\n"), (exitCode, output));
        Assert.Contains("decode 12 tokens", error, StringComparison.Ordinal);
        var missing = Run("hi", "run", "nothing-here");
        Assert.Equal((1, "", "kvasir: nothing-here is neither a GGUF file, nor a folder with a model, nor a bundled model (needle, stories260K)\n"), missing);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AClosedPipeEndsTheExecutableQuietly()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start("run", "stories260K", "Once upon a time", "--ignore-end", "--context", "64k", "--threads", "1", "-q");
        process.StandardInput.Close();
        process.StandardOutput.ReadLine();
        process.StandardOutput.Close();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "the process goes on for nobody");
        Assert.Equal((0, ""), (process.ExitCode, process.StandardError.ReadToEnd()));
    }

    // Of every other verb in this process: ClosedOutputTest.
    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("run stories260K Once --max-tokens 3 --temperature 0", "2>&-", 0, " upon a time\n", "")]
    [InlineData("run stories260K Once --max-tokens 3 --temperature 0", "2>/dev/full", 0, " upon a time\n", "")]
    [InlineData("run stories260K Once --max-tokens 3 --temperature 0", "<&- 2>&-", 0, " upon a time\n", "")]
    [InlineData("run stories260K Once --max-tokens 3 --temperature 0 -q", ">&-", 1, "", "kvasir: reading or writing failed: the standard output is closed\n")]
    [InlineData("run stories260K Once --max-tokens 3 --json -q", ">&-", 1, "", "kvasir: reading or writing failed: the standard output is closed\n")]
    [InlineData("run stories260K Once --max-tokens 3 -q", ">/dev/full", 1, "", "kvasir: reading or writing failed: the standard output cannot be written: No space left on device")]
    [InlineData("run nothing-here Once --json", ">&-", 1, "", "kvasir: nothing-here is neither")]
    [InlineData("run stories260K -q", "<&-", 1, "", "kvasir: reading or writing failed: the standard input is closed\n")]
    [InlineData("--version", ">&-", 1, "", "kvasir: reading or writing failed: the standard output is closed\n")]
    [InlineData("--help", ">/dev/full", 1, "", "kvasir: reading or writing failed: the standard output cannot be written: No space left on device")]
    [InlineData("policies", "<&- >&- 2>&-", 1, "", "")]
    [InlineData("no-such-verb", "2>&-", 2, "", "")]
    public void ClosedAndFullStreamsCostNoMoreThanThemselves(string command, string redirection, int exitCode, string output, string errorBegin)
    {
        if (!OperatingSystem.IsLinux())
            return;
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[AutoAttentionFile.Variable] = _lengths;
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"exec dotnet '{typeof(Kvasir.Cli.Program).Assembly.Location}' {command} {redirection}");
        var run = Run("", start);
        Assert.Equal((exitCode, output), (run.ExitCode, run.Output));
        Assert.True(run.Error.StartsWith(errorBegin, StringComparison.Ordinal) && run.Error.Count(static c => c == '\n') == (errorBegin.Length > 0 ? 1 : 0), run.Error);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ABadLineFromAPipeCostsItself()
    {
        var model = ChatModel.Create(_folder.Path);
        using var process = Start("chat", model, "--temperature", "0", "--max-tokens", "3", "-q");
        process.StandardInput.BaseStream.Write([.. "Once\n"u8, (byte)'a', 0xFF, (byte)'\n', .. "/clear\nOnce\n"u8]);
        process.StandardInput.Close();
        Assert.Equal(" upon a time\n upon a time\n", process.StandardOutput.ReadToEnd());
        process.WaitForExit();
        Assert.Equal(
            (1, "kvasir: the standard input:2: is not UTF-8 at byte 6; text in UTF-8, or in UTF-16 with a byte order mark, can be read; the message is left out\na new conversation\n"),
            (process.ExitCode, process.StandardError.ReadToEnd()));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ABundledModelIsHiddenByModelsOnly()
    {
        Directory.CreateDirectory(_folder.File("stories260K"));
        File.WriteAllText(_folder.File("needle"), "no model");
        (int ExitCode, string Output, string Error) In(string model)
        {
            var start = StartOf("inspect", model);
            start.WorkingDirectory = _folder.Path;
            return Run("", start);
        }

        Assert.Equal(0, In("stories260K").ExitCode);
        Assert.Equal(0, In("needle").ExitCode);
        Assert.Contains(_folder.File("stories260K"), Path.GetFullPath(In("./stories260K").Error.Split(' ')[1].TrimEnd(':', ','), _folder.Path), StringComparison.Ordinal);
        Assert.StartsWith("kvasir: ./needle", In("./needle").Error, StringComparison.Ordinal);
        // Damaged, but a model: it is meant, and what is wrong with it is said.
        File.WriteAllText(_folder.File("stories260K/config.json"), "{}");
        var damaged = In("stories260K");
        Assert.Equal(1, damaged.ExitCode);
        Assert.StartsWith("kvasir: stories260K", damaged.Error, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void RunTellsWhichAttentionWasChosen()
    {
        string[] args = ["run", "stories260K", string.Concat(Enumerable.Repeat("Tom has a red ball. ", 50)), "--temperature", "0", "--max-tokens", "40", "--ignore-end", "--seed", "3", "--threads", "1"];
        Assert.Contains(" | attention auto: dense | ", Run("", args).Error, StringComparison.Ordinal);
        using var model = Generation.LoadStories();
        File.WriteAllText(_lengths, JsonSerializer.Serialize(new Dictionary<string, int> { [AutoAttention.Key(model.Config, KvFormat.BF16)] = 380 }));
        var chosen = Run("", args);
        Assert.Contains(" | attention auto: dense below 380 tokens, guarded from there on | ", chosen.Error, StringComparison.Ordinal);
        var named = Run("", [.. args, "--attention", "guarded:min-context=380"]);
        Assert.Contains(" | attention guarded:min-context=380 | ", named.Error, StringComparison.Ordinal);
        Assert.Equal((0, named.Output), (chosen.ExitCode, chosen.Output));
        Assert.Contains("\"policy\":\"guarded:min-context=380\"", Run("", [.. args, "--attention", "auto", "--json"]).Output, StringComparison.Ordinal);
        Assert.Contains("\"policy\":\"dense\"", Run("", "run", "stories260K", "Once", "--max-tokens", "2", "--context", "379", "--json").Output, StringComparison.Ordinal);
    }

    private (int ExitCode, string Output, string Error) Run(string input, params string[] args)
    {
        return Run(input, StartOf(args));
    }

    private static (int ExitCode, string Output, string Error) Run(string input, ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private Process Start(params string[] args) => Process.Start(StartOf(args))!;

    private ProcessStartInfo StartOf(params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[AutoAttentionFile.Variable] = _lengths;
        start.ArgumentList.Add(typeof(Kvasir.Cli.Program).Assembly.Location);
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        return start;
    }
}
