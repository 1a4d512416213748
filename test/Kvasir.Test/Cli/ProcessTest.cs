using System.Diagnostics;

namespace Kvasir.Test.Cli;

/// <summary>The built executable, with real pipes and exit codes.</summary>
public sealed class ProcessTest
{
    [Fact]
    public void TheExecutableReadsAndWritesPipes()
    {
        var (exitCode, output, error) = Run("Once upon a time\n", "run", "stories260K", "--temperature", "0", "--max-tokens", "12");
        Assert.Equal((0, ", there was a little girl named Lily. She\n"), (exitCode, output));
        Assert.Contains("decode 12 tokens", error, StringComparison.Ordinal);
        var missing = Run("", "run", "nothing-here");
        Assert.Equal((1, "", "kvasir: nothing-here is neither a GGUF file, nor a folder with a model, nor a bundled model (stories260K)\n"), missing);
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

    private static (int ExitCode, string Output, string Error) Run(string input, params string[] args)
    {
        using var process = Start(args);
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    private static Process Start(params string[] args)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(typeof(Kvasir.Cli.Program).Assembly.Location);
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        return Process.Start(start)!;
    }
}
