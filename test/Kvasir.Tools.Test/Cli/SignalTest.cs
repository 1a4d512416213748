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
    [Trait("Needs", "Minutes")]
    public void AnInterruptEndsAnAnswerWithWhatThereIs()
    {
        if (!OperatingSystem.IsLinux())
            return;
        using var process = Start($"exec {Heard} dotnet '{Tool}' run stories260K Once --ignore-end --context 64k --temperature 0 --threads 1 -q");
        var begin = new char[" upon a time".Length];
        process.StandardOutput.ReadBlock(begin);
        Signal(process, "INT");
        var rest = process.StandardOutput.ReadToEnd();
        AssertEnds(process, Interrupted);
        Assert.Equal(" upon a time", new string(begin));
        Assert.EndsWith("\n", rest, StringComparison.Ordinal);
    }

    // A reader that reads nothing holds up whoever writes, so that the first interrupt cannot end the answer.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void ASecondInterruptEndsAProcessThatCannotStop()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var pipe = _folder.File("pipe");
        using (var make = Process.Start("mkfifo", pipe))
            make.WaitForExit();
        using var process = Start($"exec {Heard} dotnet '{Tool}' run stories260K Once --ignore-end --context 64k --temperature 0 --threads 1 -q > '{pipe}'");
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

    // At the prompt Ctrl-\ is a key like Ctrl-C; a signal from elsewhere is heard there too, and nothing answers it.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void ASignalThatNothingAnswersLeavesTheTerminalAsItWasFound()
    {
        using var process = StartChat();
        var seen = UntilALineIsAskedFor(process);
        // A shell has `kill` built in; programs that signal are not on every machine.
        using (var kill = Process.Start("sh", ["-c", $"kill -QUIT {File.ReadAllText($"/proc/{process.Id}/task/{process.Id}/children")}"]))
            kill.WaitForExit();
        seen += process.StandardOutput.ReadToEnd();
        AssertEnds(process, Killed + 3);
        AssertLeftAsFound(seen);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AtThePromptTheKeyThatEndsProgramsOfATerminalEndsThisOne()
    {
        using var process = StartChat();
        var seen = UntilALineIsAskedFor(process);
        process.StandardInput.Write("half a line\u001c");
        process.StandardInput.Flush();
        seen += process.StandardOutput.ReadToEnd();
        AssertEnds(process, Killed + 3);
        AssertLeftAsFound(seen);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ATerminalIsLeftAsItWasFound()
    {
        using var process = StartChat();
        var seen = "";
        foreach (var line in new[] { "Once\r", "\u0004" })
        {
            // What is typed before a line is asked for is the terminal's own to read.
            seen += UntilALineIsAskedFor(process);
            process.StandardInput.Write(line);
            process.StandardInput.Flush();
        }

        seen += process.StandardOutput.ReadToEnd();
        AssertEnds(process, 0);
        AssertLeftAsFound(seen);
    }

    private Process StartChat()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/script"))
            Assert.Skip("there is no script(1), which gives a process a terminal");
        var model = ChatModel.Create(_folder.Path);
        return Start($"exec script -qefc \"exec {Heard} dotnet '{Tool}' chat '{model}' --temperature 0 --max-tokens 3 -q\" /dev/null");
    }

    private static string UntilALineIsAskedFor(Process process)
    {
        var seen = "";
        while (!seen.Contains("\e[?2004h", StringComparison.Ordinal) && process.StandardOutput.Read() is >= 0 and var next)
            seen += (char)next;
        Assert.Contains("\e[?2004h", seen, StringComparison.Ordinal);
        return seen;
    }

    private static void AssertLeftAsFound(string seen) =>
        Assert.True(seen.LastIndexOf("\e[?2004l", StringComparison.Ordinal) > seen.LastIndexOf("\e[?2004h", StringComparison.Ordinal), seen);

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

    private static void Signal(Process process, string name)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -{name} {process.Id}"]);
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
