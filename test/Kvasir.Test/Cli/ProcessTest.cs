using System.Diagnostics;
using System.Text.Json;
using Kvasir.Kernels.Attention;
using Kvasir.Test.Models;

namespace Kvasir.Test.Cli;

/// <summary>The built executable, with real pipes and exit codes.</summary>
public sealed class ProcessTest : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _lengths;

    public ProcessTest() => _lengths = _folder.File("lengths.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheExecutableReadsAndWritesPipes()
    {
        var (exitCode, output, error) = Run("Once upon a time\n", "run", "stories260K", "--temperature", "0", "--max-tokens", "12");
        Assert.Equal((0, ", there was a little girl named Lily. She\n"), (exitCode, output));
        Assert.Contains("decode 12 tokens", error, StringComparison.Ordinal);
        var missing = Run("", "run", "nothing-here");
        Assert.Equal((1, "", "kvasir: nothing-here is neither a GGUF file, nor a folder with a model, nor a bundled model (needle, stories260K)\n"), missing);
    }

    [Fact]
    public void AClosedPipeEndsTheExecutableQuietly()
    {
        if (OperatingSystem.IsWindows())
            return;
        using var process = Start("run", "stories260K", "Once upon a time", "--ignore-end", "--context", "64k", "-q");
        process.StandardInput.Close();
        process.StandardOutput.ReadLine();
        process.StandardOutput.Close();
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)), "the process goes on for nobody");
        Assert.Equal((0, ""), (process.ExitCode, process.StandardError.ReadToEnd()));
    }

    [Fact]
    public void RunTellsWhichAttentionWasChosen()
    {
        string[] args = ["run", "stories260K", string.Concat(Enumerable.Repeat("Tom has a red ball. ", 50)), "--temperature", "0", "--max-tokens", "40", "--ignore-end", "--seed", "3"];
        Assert.Contains(" | attention auto: dense | ", Run("", args).Error, StringComparison.Ordinal);
        using var model = Generation.LoadStories();
        File.WriteAllText(_lengths, JsonSerializer.Serialize(new Dictionary<string, int> { [AutoAttention.Key(model.Config, KvType.BF16)] = 380 }));
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
        using var process = Start(args);
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private Process Start(params string[] args)
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
        return Process.Start(start)!;
    }
}
