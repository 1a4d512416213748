using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Kvasir.Cli;

/// <summary>The process around <see cref="Verbs"/>: its streams and signals.</summary>
internal static class Program
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static int Main(string[] args)
    {
        var interrupts = new Interrupts();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = interrupts.Raise(ExitCode.Interrupted));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = interrupts.Raise(ExitCode.Terminated));
        return Verbs.Run(args, OpenShell(interrupts));
    }

    private static Shell OpenShell(Interrupts interrupts)
    {
        var isDumb = Environment.GetEnvironmentVariable("TERM") == "dumb";
        var canEdit = !Console.IsInputRedirected && !Console.IsErrorRedirected && !isDumb;
        return new Shell(Console.IsInputRedirected ? new StreamReader(Console.OpenStandardInput(), Utf8) : Console.In, Writer(OpenOutput()), Writer(Console.OpenStandardError()))
        {
            InputIsTerminal = !Console.IsInputRedirected,
            OutputIsTerminal = !Console.IsOutputRedirected,
            ErrorIsTerminal = !Console.IsErrorRedirected && !isDumb,
            HasColor = !Console.IsErrorRedirected && !isDumb && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
            ReadKey = canEdit ? ReadKey : null,
            Columns = static () => Extent(static () => Console.WindowWidth, 80),
            Rows = static () => Extent(static () => Console.WindowHeight, 24),
            Interrupts = interrupts,
            ShowsFaults = Environment.GetEnvironmentVariable("KVASIR_DEBUG") == "1",
        };
    }

    // The console's own stream keeps silent when a pipe's reader is gone, and the answer would be computed for nobody. A file stream
    // says so; on what can seek it would keep a position of its own, and others write to the same file.
    private static Stream OpenOutput()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
            return Console.OpenStandardOutput();
        var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return pipe.CanSeek ? Console.OpenStandardOutput() : pipe;
    }

    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };

    // At the prompt Ctrl-C is a key; while an answer is computed it is a signal.
    private static ConsoleKeyInfo ReadKey()
    {
        Console.TreatControlCAsInput = true;
        try
        {
            return Console.ReadKey(intercept: true);
        }
        finally
        {
            Console.TreatControlCAsInput = false;
        }
    }

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
