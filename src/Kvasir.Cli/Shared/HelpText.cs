using System.CommandLine;
using System.CommandLine.Invocation;

namespace Kvasir.Cli.Shared;

/// <summary>What <c>--help</c> shows of the tool or of a verb, made from their definitions.</summary>
internal sealed class HelpText(Shell shell, IReadOnlyList<Verb> verbs) : SynchronousCommandLineAction
{
    private const int ExampleCount = 5;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var lines = new HelpLines(shell.Columns());
        if (parseResult.CommandResult.Command is VerbCommand { Verb: var verb })
            Write(verb, lines);
        else
            WriteTool(lines);
        shell.Output.Write(lines.Text);
        return ExitCode.Ok;
    }

    private void WriteTool(HelpLines lines)
    {
        lines.Paragraph("Kvasir runs language models with long contexts on the machine at hand.");
        lines.Section("Usage");
        lines.Line("kvasir VERB [flags]");
        lines.Line("kvasir VERB --help");
        lines.Section("Verbs");
        lines.Rows([.. from verb in verbs where verb.Above.Length == 0 select (Beginning(verb), verb.Summary)]);
        lines.Section("Flags");
        lines.Rows([("-h, --help", "Show this help, or that of a verb"), ("--version", "Show the version")]);
        lines.Section("Examples");
        foreach (var verb in verbs.Take(ExampleCount))
            lines.Line(verb.Examples[0]);
        lines.Section("Exit codes");
        lines.Rows([.. ExitCode.Meanings.Select(static code => ($"{code.Code}", code.Meaning))]);
        lines.Paragraph(
            "Errors are one line on the standard error stream; with --json they are on the standard output as well, "
            + "as {\"error\":{\"kind\":...,\"message\":...},\"exitCode\":...}. NO_COLOR=1 switches dimmed text off.");
    }

    private void Write(Verb verb, HelpLines lines)
    {
        lines.Paragraph($"{verb.Summary}.");
        lines.Section("Usage");
        lines.Line(verb.Flags.Count > 0 ? $"{verb.Usage} [flags]" : verb.Usage);
        if (verb.Operands.Count > 0)
            lines.Section("Operands");
        lines.Rows([.. verb.Operands.Select(static operand => (operand.Name, operand.Help))]);
        foreach (var group in verb.Flags)
        {
            lines.Section(group.Title);
            lines.Rows([.. group.Flags.Select(static flag => (Shown(flag), flag.Facts.Length == 0 ? flag.Help : $"{flag.Help} [{flag.Facts}]"))]);
        }

        if (verbs.Where(other => other.Above == verb.Name).ToArray() is [_, ..] beneath)
        {
            lines.Section("Verbs beneath");
            lines.Rows([.. beneath.Select(static other => (Beginning(other), other.Summary))]);
        }

        lines.Section("Examples");
        foreach (var example in verb.Examples)
            lines.Line(example);
        lines.Paragraphs(verb.Notes.ReplaceLineEndings("\n").Split(".\n").Select(static sentences => $"{sentences.Replace('\n', ' ').TrimEnd('.')}."));
        lines.Paragraph("-h, --help shows this; kvasir --help has the other verbs and the exit codes.");
    }

    private static string Beginning(Verb verb) => verb.Usage["kvasir ".Length..];

    private static string Shown(Flags.Flag flag) =>
        $"{(flag.Letter is { } letter ? $"{letter}, " : "")}{flag.Name}{(flag.ValueName is { } value ? $" {value}" : "")}";
}
