using System.Diagnostics;
using System.Text.Json.Nodes;
using Kvasir.Cli.Shared;

namespace Kvasir.Tools.Test.Cli.Run;

/// <summary><c>run --save-kv</c> and <c>--load-kv</c>, in this process and as the built executable under a limit of the system.</summary>
public sealed class RowFilesTest : IDisposable
{
    private static readonly string Prompt = string.Concat(Enumerable.Repeat("Tom and Lily went to the park with a ball. ", 8));
    private readonly TempFolder _folder = new();
    private readonly string _file;

    public RowFilesTest() => _file = _folder.File("story.kv");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheNextRunComputesWhatIsNewAndBothSaySo()
    {
        var first = Run(Prompt, "--save-kv", _file);
        Assert.Equal(0, first.ExitCode);
        Assert.Matches($@"\nsaving (\d+) of (\d+) tokens to {_file}, [\d.]+ KiB\n", first.Error);
        var before = File.ReadAllBytes(_file);
        var (cold, warm) = (Json(Prompt + "They saw"), Json(Prompt + "They saw", "--load-kv", _file, "--save-kv", _file));
        Assert.Equal(cold["text"]!.ToString(), warm["text"]!.ToString());
        var (loaded, saved) = (warm["loaded"]!, warm["saved"]!);
        Assert.Equal(before.Length, loaded["bytes"]!.GetValue<int>());
        Assert.Equal(loaded["tokens"]!.ToString(), warm["usage"]!["cachedTokens"]!.ToString());
        Assert.InRange(loaded["tokens"]!.GetValue<int>(), 64, warm["usage"]!["promptTokens"]!.GetValue<int>());
        Assert.Equal(warm["usage"]!["totalTokens"]!.ToString(), saved["fileTokens"]!.ToString());
        Assert.Equal((_file, new FileInfo(_file).Length), (saved["path"]!.ToString(), saved["bytes"]!.GetValue<long>()));
        Assert.Matches(@"\nloaded 0 of \d+ tokens from .*story.kv; the prompt leaves it at token \d\n", Run("Once", "--load-kv", _file).Error);
        Assert.Null(cold["loaded"] ?? cold["saved"]);
    }

    [Fact]
    public void WhatCannotBeLoadedOrWrittenIsOneLineBeforeAnAnswer()
    {
        Run(Prompt, "--save-kv", _file);
        Run(Prompt, "-q", "--load-kv", _file, "--kv", "q8").AssertOneLine($"{_file} has keys and values of format 'bf16', and here they are of format 'q8'");
        Run(Prompt, "-q", "--load-kv", _file + "x").AssertOneLine($"{_file}x cannot be read");
        Run(Prompt, "-q", "--save-kv", _folder.File("none/story.kv")).AssertOneLine("cannot be written");
        Run(Prompt, "-q", "--save-kv", _folder.Path).AssertOneLine("cannot be written: it is a folder, and only a file can be replaced");
        Assert.Contains("name the same file", CliRun.Of("run", "stories260K", "--file", _file, "--save-kv", _file).Error, StringComparison.Ordinal);
        Assert.Contains("--load-kv is for a model that is loaded here", CliRun.Of("run", "x", "--server", "http://localhost:1", "--load-kv", _file).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AnInterruptedAnswerIsSavedAsFarAsItCame()
    {
        var interrupts = new Interrupts();
        var output = new WatchedWriter(static text => text.Contains("ball", StringComparison.Ordinal), () => Assert.True(interrupts.Raise(ExitCode.Interrupted)));
        // An interrupt while the file is written lets that end.
        var error = new WatchedWriter(static text => text.Contains("saving ", StringComparison.Ordinal), () => Assert.True(interrupts.Raise(ExitCode.Terminated)));
        var shell = new Shell(new StringReader(""), output, error) { Interrupts = interrupts };
        var run = CliRun.With(shell, "run", "stories260K", Prompt, "--temperature", "0", "--ignore-end", "--max-tokens", "200", "--attention", "dense", "--save-kv", _file);
        Assert.Equal(ExitCode.Interrupted, run.ExitCode);
        var loaded = Json(Prompt, "--load-kv", _file)["loaded"]!;
        Assert.InRange(loaded["tokens"]!.GetValue<int>(), 64, loaded["fileTokens"]!.GetValue<int>());
        Assert.InRange(loaded["fileTokens"]!.GetValue<int>(), 1, 350);
        Assert.Equal([_file], Directory.GetFiles(_folder.Path));
    }

    // A full disk, to the process: no file may have more than so many blocks of 512 bytes.
    [Fact]
    [Trait("Needs", "Minutes")]
    public async Task ADiskThatIsFullLeavesTheOldFileAndTheAnswer()
    {
        if (!OperatingSystem.IsLinux())
            return;
        Assert.Equal(0, Run("Once upon a time there was a girl who had a ball and a dog and a cat and a big red house", "--save-kv", _file).ExitCode);
        var before = File.ReadAllBytes(_file);
        var tool = typeof(Kvasir.Cli.Program).Assembly.Location;
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardOutput = true, RedirectStandardError = true };
        // Code that is mapped twice lies in a file, which the limit is for as well.
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"ulimit -c 0; ulimit -f 300; exec dotnet '{tool}' run stories260K '{Prompt}' --temperature 0 --max-tokens 9 --attention dense -q --save-kv '{_file}'");
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Matches($@"^kvasir: {_file} cannot be written: .*\n$", await error);
        Assert.Equal(1, process.ExitCode);
        Assert.Equal(before, File.ReadAllBytes(_file));
        Assert.True(output.Length > 9, output);
        Assert.Equal([_file], Directory.GetFiles(_folder.Path));
    }

    private static JsonNode Json(string prompt, params string[] args) => Run(prompt, ["--json", "-q", .. args]).Json[0];

    private static CliRun Run(string prompt, params string[] args) =>
        CliRun.Of(["run", "stories260K", prompt, "--temperature", "0", "--max-tokens", "20", "--attention", "dense", "--threads", "1", .. args]);
}
