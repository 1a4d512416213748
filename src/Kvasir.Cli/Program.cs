using System.Runtime.InteropServices;
using System.Text;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Terminal;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Cli;

/// <summary>The process around <see cref="Verbs"/>: its streams and signals.</summary>
internal static class Program
{
    private const string OutputName = "the standard output";

    private static int Main(string[] args)
    {
        var interrupts = new Interrupts();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = interrupts.Raise(ExitCode.Interrupted));
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal => signal.Cancel = interrupts.RaiseHangUp());
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = interrupts.Raise(ExitCode.Terminated));
        using var quit = PosixSignalRegistration.Create(PosixSignal.SIGQUIT, signal => signal.Cancel = interrupts.Abandon());
        return Verbs.Run(args, OpenShell(interrupts));
    }

    private static Shell OpenShell(Interrupts interrupts)
    {
        var isDumb = Environment.GetEnvironmentVariable("TERM") == "dumb";
        var keys = new TerminalKeys();
        var canEdit = !Console.IsInputRedirected && !Console.IsErrorRedirected && !isDumb;
        return new Shell(OpenInput(), Writer(OpenOutput()), Writer(OpenError()))
        {
            InputIsTerminal = !Console.IsInputRedirected,
            OutputIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected && !isDumb,
            HasColor = !Console.IsErrorRedirected && !isDumb && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
            ReadKey = canEdit ? keys.Read : null,
            HasKey = canEdit ? TerminalKeys.IsWaiting : static () => false,
            Columns = static () => Extent(static () => Console.WindowWidth, 80),
            Rows = static () => Extent(static () => Console.WindowHeight, 24),
            Interrupts = interrupts,
            Warning = VersionText.Warning,
            OutputProblem = StandardStream.IsOpen(1) ? null : $"{OutputName} is closed",
            ShowsFaults = Environment.GetEnvironmentVariable("KVASIR_DEBUG") == "1",
        };
    }

    private static TextReader OpenInput()
    {
        const string Name = "the standard input";
        if (!StandardStream.IsOpen(0))
            return new TextStream(new StandardStream(null, Name), Name);
        return Console.IsInputRedirected ? new TextStream(new StandardStream(Console.OpenStandardInput(), Name), Name) : Console.In;
    }

    private static StandardStream OpenOutput() => new(StandardStream.IsOpen(1) ? OutputOrPipe() : null, OutputName);

    private static StandardStream OpenError() => new(StandardStream.IsOpen(2) ? Console.OpenStandardError() : null, "the standard error", isOptional: true);

    // The console's own stream keeps silent when a pipe's reader is gone, and the answer would be computed for nobody. A file stream
    // says so; on what can seek it would keep a position of its own, and others write to the same file.
    private static Stream OutputOrPipe()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
            return Console.OpenStandardOutput();
        try
        {
            var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            return pipe.CanSeek ? Console.OpenStandardOutput() : pipe;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // What it is joined to cannot be written; whoever tries is told so.
            return Console.OpenStandardOutput();
        }
    }

    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };

    private static int Extent(Func<int> measure, int unknown)
    {
        try
        {
            return measure() is > 0 and var cells ? cells : unknown;
        }
        catch (IOException)
        {
            return unknown;
        }
    }
}
