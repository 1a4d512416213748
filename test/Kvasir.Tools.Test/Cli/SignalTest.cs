using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Kvasir.Tools.Test.Cli;

/// <summary>Signals from outside and keys of a real terminal, as the built executable answers them.</summary>
public sealed class SignalTest : IDisposable
{
    private const int Interrupted = 130;
    private const int Killed = 128;
    // Whoever runs the tests in the background may have interrupts ignored, and children have that from him.
    private const string Heard = "env --default-signal=INT,QUIT";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Tool = typeof(Kvasir.Cli.Program).Assembly.Location;
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AnInterruptEndsAnAnswerWithWhatThereIs()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var process = Start($"exec {Heard} dotnet '{Tool}' run stories260K Once --ignore-end --context 64k --temperature 0 -q");
        var first = process.StandardOutput.Read();
        Signal(process, "INT");
        var rest = process.StandardOutput.ReadToEnd();
        AssertEnds(process, Interrupted);
        Assert.StartsWith(" upon a time", (char)first + rest, StringComparison.Ordinal);
        Assert.EndsWith("\n", rest, StringComparison.Ordinal);
    }

    // A reader that reads nothing holds up whoever writes, so that the first interrupt cannot end the answer.
    [Fact]
    public void ASecondInterruptEndsAProcessThatCannotStop()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var pipe = _folder.File("pipe");
        using (var make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        using var process = Start($"exec {Heard} dotnet '{Tool}' run stories260K Once --ignore-end --context 64k --temperature 0 -q > '{pipe}'");
        using var reader = new FileStream(pipe, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var handle = (int)reader.SafeFileHandle.DangerousGetHandle();
        Assert.True(SetPipeBytes(handle, 4096) > 0);
        Assert.True(SpinWait.SpinUntil(() => Waiting(handle) > 4096 - 16, Patience), $"{Waiting(handle)} bytes wait for a reader");
        Signal(process, "INT");
        for (var watch = Stopwatch.StartNew(); !process.WaitForExit(100) && watch.Elapsed < Patience;)
            Signal(process, "INT");
        AssertEnds(process, Interrupted);
        Assert.InRange(Waiting(handle), 4096 - 16, 4096);
    }

    [Theory]
    [InlineData(Killed + 3, "\u001c")] // Ctrl-\, which nothing answers: the terminal is put in order all the same
    [InlineData(0, "Once\r", "\u0004")]
    public void ATerminalIsLeftAsItWasFound(int exitCode, params string[] lines)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/script"))
            Assert.Skip("there is no script(1), which gives a process a terminal");
        var model = ChatModel.Create(_folder.Path);
        using var process = Start($"exec script -qefc \"{Heard} dotnet '{Tool}' chat '{model}' --temperature 0 --max-tokens 3 -q\" /dev/null");
        using var late = new Timer(_ => process.Kill(entireProcessTree: true), null, Patience, Timeout.InfiniteTimeSpan);
        var seen = "";
        foreach (var line in lines)
        {
            // What is typed before a line is asked for is the terminal's own to read.
            var before = seen.Length;
            while (seen.IndexOf("\e[?2004h", before, StringComparison.Ordinal) < 0 && process.StandardOutput.Read() is >= 0 and var next)
                seen += (char)next;
            Assert.Contains("\e[?2004h", seen[before..], StringComparison.Ordinal);
            Press(process, line);
        }

        // A key that comes while the terminal changes its mode may be lost; a person presses it again.
        using var again = new Timer(_ => Press(process, lines[^1]), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        seen += process.StandardOutput.ReadToEnd();
        AssertEnds(process, exitCode);
        Assert.True(seen.LastIndexOf("\e[?2004l", StringComparison.Ordinal) > seen.LastIndexOf("\e[?2004h", StringComparison.Ordinal), seen);
    }

    private Process Start(string command)
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.Environment[AutoAttentionFile.Variable] = _folder.File("lengths.json");
        start.Environment["TERM"] = "xterm";
        // Whoever is killed leaves no image of its memory.
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"ulimit -c 0; {command}");
        return Process.Start(start)!;
    }

    private static void Press(Process process, string keys)
    {
        try
        {
            process.StandardInput.Write(keys);
            process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended, and reads no more.
        }
    }

    private static void Signal(Process process, string name)
    {
        using var kill = Process.Start("kill", $"-{name} {process.Id}");
        kill.WaitForExit();
    }

    private static void AssertEnds(Process process, int exitCode)
    {
        var hasEnded = process.WaitForExit(Patience);
        if (!hasEnded)
            process.Kill(entireProcessTree: true);
        Assert.True(hasEnded, "the process goes on");
        Assert.Equal(exitCode, process.ExitCode);
    }

    private static int Waiting(int handle) => GetWaiting(handle, 0x541B, out var bytes) == 0 ? bytes : -1;

    private static int SetPipeBytes(int handle, int bytes) => Control(handle, 1031, bytes);

    [DllImport("libc", EntryPoint = "ioctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetWaiting(int handle, nuint request, out int bytes);

    [DllImport("libc", EntryPoint = "fcntl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Control(int handle, int command, int value);
}
