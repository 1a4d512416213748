using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Kvasir.Server.Test.Support;

/// <summary>A program of this repository in a process of its own, as its users start it.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;

    /// <param name="assembly">Beside the tests.</param>
    public ServerProcess(string assembly, params string[] arguments)
    {
        string[] command = ["dotnet", Path.Combine(AppContext.BaseDirectory, assembly), .. arguments];
        // Whoever runs the tests in the background may have interrupts ignored, and children have that from him.
        if (OperatingSystem.IsLinux())
            command = ["env", "--default-signal=INT,QUIT", .. command];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginErrorReadLine();
    }

    /// <summary>The first line of the output that has it, as what the first group matches; fails after 60 s.</summary>
    public async Task<string> LineAsync(string pattern)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await _process.StandardOutput.ReadLineAsync(late.Token) is { } line)
        {
            if (Regex.Match(line, pattern) is { Success: true } match)
                return match.Groups[1].Value;
        }

        throw new InvalidOperationException($"the output ended without {pattern}");
    }

    /// <summary>Sends a signal by its name, as INT.</summary>
    public void Signal(string name)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -{name} {_process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>The exit code; fails after 30 s.</summary>
    public async Task<int> ExitCodeAsync()
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await _process.WaitForExitAsync(late.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}
