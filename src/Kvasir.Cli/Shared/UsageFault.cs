using System.CommandLine;
using System.CommandLine.Parsing;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Models;

namespace Kvasir.Cli.Shared;

/// <summary>What is wrong with a command line, in one line, with what was probably meant.</summary>
internal static class UsageFault
{
    /// <summary>What looks like an option, but is none: the parser takes it for the prompt.</summary>
    public static string? UnknownOption(ParseResult parsed)
    {
        if (parsed.Action is HelpText or VersionText)
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

    public static string Message(ParseResult parsed)
    {
        var verb = Path(parsed.CommandResult);
        if (verb.Length == 0)
            return $"{WithoutVerb(parsed)}; see kvasir --help";
        var message = UnknownOption(parsed) is { } unknown
            ? $"option '{Printable.Line(unknown)}' is unknown{MeantOption(parsed, unknown)} (a prompt that begins with a dash goes after --)"
            : parsed.UnmatchedTokens is [var first, ..] && IsLikeOption(first)
                ? $"option '{Printable.Line(first)}' is unknown{MeantOption(parsed, first)}"
                : Printable.Line(parsed.Errors[0].Message.TrimEnd('.'));
        return $"{message}; see kvasir{verb} --help";
    }

    private static bool IsLikeOption(string text) =>
        text.Length > 1 && text[0] == '-' && char.IsAsciiLetter(text.TrimStart('-').FirstOrDefault()) && !text.Contains(' ', StringComparison.Ordinal);

    private static string MeantOption(ParseResult parsed, string unknown) =>
        NearestWord.Of(unknown.Split('=', ':')[0], parsed.CommandResult.Command.Options.SelectMany(Names)) is { } meant ? $"; did you mean {meant}?" : "";

    private static IEnumerable<string> Names(Option option) => [option.Name, .. option.Aliases.Where(static alias => alias.StartsWith("--", StringComparison.Ordinal))];

    // As " eval agree"; empty for the root.
    private static string Path(SymbolResult? result) => result is CommandResult { Command: not RootCommand } command ? $"{Path(command.Parent)} {command.Command.Name}" : "";

    private static string WithoutVerb(ParseResult parsed)
    {
        var root = parsed.RootCommandResult.Command;
        var verbs = root.Subcommands.Select(static command => command.Name).ToArray();
        if (parsed.UnmatchedTokens is not [var first, ..])
            return Printable.Line(parsed.Errors[0].Message.TrimEnd('.'));
        var shown = Printable.Line(first);
        if (NearestWord.Of(first, [.. verbs, .. root.Options.SelectMany(Names)]) is { } meant)
            return $"'{shown}' is no command; did you mean {meant}?";
        return BundledModels.TryFind(first, out _) || System.IO.Path.Exists(first)
            ? $"'{shown}' is no command but a model or a file; did you mean run {shown}?"
            : $"'{shown}' is no command; there are {string.Join(", ", verbs)}";
    }
}
