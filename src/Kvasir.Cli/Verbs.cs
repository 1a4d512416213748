using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Kvasir.Cli.Options;
using Kvasir.Cli.Reports;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli;

/// <summary>The verbs, and the border where every error becomes one line and an exit code.</summary>
internal static class Verbs
{
    // Neither bundles of one-letter options nor @files: a prompt may begin with either.
    private static readonly ParserConfiguration Parsing = new() { EnablePosixBundling = false, ResponseFileTokenReplacer = null };

    /// <summary>Runs one command line and gives the exit code. Nothing is thrown.</summary>
    public static int Run(string[] args, Shell shell)
    {
        try
        {
            var parsed = Create(shell).Parse(args, Parsing);
            if (parsed.Action is ParseErrorAction || UnknownOption(parsed) is not null)
                return Refuse(parsed, args, shell);
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

    // The parser takes what looks like an option, but is none, for the prompt.
    private static string? UnknownOption(ParseResult parsed)
    {
        if (parsed.Action is not null && parsed.Action is HelpText or VersionText)
            return null;
        foreach (var token in parsed.Tokens)
        {
            if (token.Type == TokenType.DoubleDash)
                return null;
            if (token.Type == TokenType.Argument && parsed.CommandResult.Tokens.Contains(token) && IsLikeOption(token.Value))
                return token.Value;
        }

        return null;
    }

    private static bool IsLikeOption(string text) =>
        text.Length > 1 && text[0] == '-' && char.IsAsciiLetter(text.TrimStart('-').FirstOrDefault()) && !text.Contains(' ', StringComparison.Ordinal);

    private static int Refuse(ParseResult parsed, string[] args, Shell shell)
    {
        var verb = Path(parsed.CommandResult);
        var message = UnknownOption(parsed) is { } unknown
            ? $"option '{unknown}' is unknown (a prompt that begins with a dash goes after --)"
            : verb.Length > 0 ? Printable.Line(parsed.Errors[0].Message.TrimEnd('.')) : WithoutVerb(parsed);
        return Fail(new FaultReport("usage", $"{message}; see kvasir{verb} --help"), ExitCode.Usage, args, shell);
    }

    // As " eval agree"; empty for the root.
    private static string Path(SymbolResult? result) => result is CommandResult { Command: not RootCommand } command ? $"{Path(command.Parent)} {command.Command.Name}" : "";

    private static string WithoutVerb(ParseResult parsed)
    {
        var verbs = string.Join(", ", parsed.RootCommandResult.Command.Children.OfType<Command>().Select(static command => command.Name));
        return parsed.UnmatchedTokens is [var first, ..] ? $"'{Printable.Line(first)}' is no command; there are {verbs}" : $"a command is missing: {verbs}";
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
