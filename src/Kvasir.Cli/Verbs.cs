using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Kvasir.Cli.Bench;
using Kvasir.Cli.Calibrate;
using Kvasir.Cli.Chat;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Eval;
using Kvasir.Cli.Inspect;
using Kvasir.Cli.Policies;
using Kvasir.Cli.Run;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Cli.Tune;

namespace Kvasir.Cli;

/// <summary>The verbs, and the border where every error becomes one line and an exit code.</summary>
internal static class Verbs
{
    // Neither bundles of one-letter options nor @files: a prompt may begin with either.
    private static readonly ParserConfiguration Parsing = new() { EnablePosixBundling = false, ResponseFileTokenReplacer = null };

    /// <summary>Runs one command line and gives the exit code; an empty one asks for help. Nothing is thrown.</summary>
    public static int Run(string[] args, Shell shell)
    {
        try
        {
            var parsed = Create(shell).Parse(args.Length > 0 ? args : ["--help"], Parsing);
            if (parsed.Action is ParseErrorAction || UsageFault.UnknownOption(parsed) is not null)
                return Fail(new FaultReport("usage", UsageFault.Message(parsed)), ExitCode.Usage, args, shell);
            if (shell.Warning is { } warning && parsed.Action is not (HelpText or VersionText) && !OutputFlags.QuietNames.Any(args.Contains))
                shell.Error.WriteLine($"kvasir: {warning}");
            return parsed.Invoke(new InvocationConfiguration
            {
                Output = shell.Output,
                Error = shell.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception problem)
        {
            return Report(problem, args, shell);
        }
    }

    private static RootCommand Create(Shell shell)
    {
        var root = new RootCommand("Kvasir runs language models with long contexts on the machine at hand.");
        root.Subcommands.Add(new RunCommand(shell).Command);
        root.Subcommands.Add(new ChatCommand(shell).Command);
        root.Subcommands.Add(new InspectCommand(shell).Command);
        root.Subcommands.Add(new PoliciesCommand(shell).Command);
        root.Subcommands.Add(new BenchCommand(shell).Command);
        root.Subcommands.Add(new CalibrateCommand(shell).Command);
        root.Subcommands.Add(new EvalCommand(shell).Command);
        root.Subcommands.Add(new TuneCommand(shell).Command);
        root.Subcommands.Add(new DemoCommand(shell).Command);
        root.Options.Clear();
        root.Options.Add(new HelpOption("--help", ["-h"]) { Description = "Show this help", Action = new HelpText(shell) });
        root.Options.Add(new VersionOption("--version", []) { Description = "Show the version", Action = new VersionText(shell) });
        return root;
    }

    private static int Report(Exception problem, string[] args, Shell shell)
    {
        if (problem is IOException closed && IsClosedPipe(closed))
            return ExitCode.Ok;
        if (shell.ShowsFaults)
            shell.Error.WriteLine(problem);
        return problem switch
        {
            KvasirException { Error: KvasirError.Fault, InnerException: { } cause } => Report(cause, args, shell),
            KvasirException known => Fail(new FaultReport(ReportJson.Name(known.Error), Printable.Line(known.Message)), ExitCode.Failed, args, shell),
            OutOfMemoryException => Fail(new FaultReport("outOfMemory", "the system has no more memory; a smaller --context or --kv-memory needs less"), ExitCode.Failed, args, shell),
            IOException stream => Fail(new FaultReport("io", $"reading or writing failed: {Printable.Line(stream.Message)}"), ExitCode.Failed, args, shell),
            _ => Fail(
                new FaultReport("internal", $"internal error: {problem.GetType().Name}: {Printable.Line(problem.Message)} (KVASIR_DEBUG=1 shows where)"), ExitCode.Internal, args, shell),
        };
    }

    private static int Fail(FaultReport fault, int exitCode, string[] args, Shell shell)
    {
        if (args.Contains(OutputFlags.JsonName))
            TryWrite(shell.Output, ReportJson.Text(new ErrorReport(fault, exitCode)));
        shell.Error.WriteLine($"kvasir: {fault.Message}");
        return exitCode;
    }

    // The output may be what failed; the error stream says so then.
    private static void TryWrite(TextWriter output, string line)
    {
        try
        {
            output.WriteLine(line);
        }
        catch (IOException)
        {
            return;
        }
    }

    // EPIPE, or one of its two names on Windows: whoever read the output has had enough.
    private static bool IsClosedPipe(IOException problem) => (problem.HResult & 0xFFFF) is 32 or 109 or 232;
}
