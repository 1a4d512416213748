using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Kvasir.Cli.Bench;
using Kvasir.Cli.BenchServe;
using Kvasir.Cli.Cache;
using Kvasir.Cli.Calibrate;
using Kvasir.Cli.Chat;
using Kvasir.Cli.Completion;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Embed;
using Kvasir.Cli.Eval;
using Kvasir.Cli.Inspect;
using Kvasir.Cli.Models;
using Kvasir.Cli.Plan;
using Kvasir.Cli.Policies;
using Kvasir.Cli.Run;
using Kvasir.Cli.Serve;
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

    /// <summary>All of them, in the order of help; one beneath another comes behind it.</summary>
    public static IReadOnlyList<Verb> All(Shell shell) =>
    [
        new DemoCommand(shell),
        new RunCommand(shell),
        new ChatCommand(shell),
        new EmbedCommand(shell),
        new ServeCommand(shell),
        new PsCommand(shell),
        new ListCommand(shell),
        new InspectCommand(shell),
        new CacheListCommand(shell, "cache"),
        new CacheListCommand(shell, "cache list"),
        new CacheVerifyCommand(shell),
        new CacheClearCommand(shell),
        new PlanCommand(shell),
        new PoliciesCommand(shell),
        new CalibrateCommand(shell),
        new EvalCommand(shell),
        new AgreeCommand(shell),
        new PplCommand(shell),
        new TuneCommand(shell),
        new BenchCommand(shell),
        new BenchServeCommand(shell),
        new CompletionCommand(shell),
    ];

    /// <summary>Runs one command line and gives the exit code; an empty one asks for help. Nothing is thrown.</summary>
    public static int Run(string[] args, Shell shell)
    {
        try
        {
            var parsed = Create(shell).Parse(args.Length > 0 ? args : ["--help"], Parsing);
            var asksForText = parsed.Action is HelpText or VersionText;
            if (!asksForText && UsageFault.Of(parsed) is { } fault)
                return Fail(new FaultReport("usage", fault), ExitCode.Usage, args, shell);
            if (shell.Warning is { } warning && !asksForText && !OutputFlags.IsTyped(OutputFlags.Quiet, args))
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

    /// <summary>What is wrong with a command line, or null: it is not run.</summary>
    public static string? Fault(string[] args, Shell shell)
    {
        var parsed = Create(shell).Parse(args, Parsing);
        return parsed.Action is HelpText or VersionText ? null : UsageFault.Of(parsed);
    }

    private static RootCommand Create(Shell shell)
    {
        var root = new RootCommand();
        var verbs = All(shell);
        foreach (var verb in verbs)
        {
            Command above = root;
            foreach (var word in verb.Above.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                above = above.Subcommands.Single(command => command.Name == word);
            above.Subcommands.Add(new VerbCommand(verb));
        }

        // Words in brackets are words like any other.
        root.Directives.Clear();
        root.Options.Clear();
        root.Options.Add(new HelpOption("--help", ["-h"]) { Action = new HelpText(shell, verbs) });
        root.Options.Add(new VersionOption("--version", []) { Action = new VersionText(shell) });
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
            OutOfMemoryException => Fail(
                new FaultReport("outOfMemory", "the system has no more memory; a smaller --context or --kv-memory needs less"), ExitCode.Failed, args, shell),
            IOException stream => Fail(new FaultReport("io", $"reading or writing failed: {Printable.Line(stream.Message)}"), ExitCode.Failed, args, shell),
            _ => Fail(
                new FaultReport("internal", $"internal error: {problem.GetType().Name}: {Printable.Line(problem.Message)} (KVASIR_DEBUG=1 shows where)"),
                ExitCode.Internal, args, shell),
        };
    }

    private static int Fail(FaultReport fault, int exitCode, string[] args, Shell shell)
    {
        // Behind two dashes all is text.
        if (args.TakeWhile(static arg => arg != "--").Contains("--json"))
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
