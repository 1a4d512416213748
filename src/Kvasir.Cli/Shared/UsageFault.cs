using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Files;
using Kvasir.Models;

namespace Kvasir.Cli.Shared;

/// <summary>What is wrong with a command line, in one line, with what was probably meant.</summary>
internal static class UsageFault
{
    /// <summary>Null for a command line that can be obeyed.</summary>
    public static string? Of(ParseResult parsed)
    {
        var verb = Path(parsed.CommandResult);
        if (OfParts(parsed, verb) is { } fault)
            return $"{fault}; see kvasir{verb} --help";
        return parsed.CommandResult.Command is VerbCommand { Verb: var known } && Refusal(new TypedCommand(parsed, known), known) is { } refusal
            ? $"{refusal}; see kvasir{verb} --help"
            : null;
    }

    private static string? Refusal(TypedCommand typed, Verb verb) => verb.Refusal(typed) ?? FileClash.Of(typed, verb);

    private static string? OfParts(ParseResult parsed, string verb)
    {
        // The parser sets a first word in brackets aside.
        if (parsed.Tokens is [{ Type: TokenType.Directive, Value: var bracketed }, ..])
            return UnknownVerb(parsed, bracketed);
        var unknown = UnknownOption(parsed);
        if (unknown is null && parsed.Action is not ParseErrorAction)
            return VerbOf(parsed) is { } sound ? OfCounts(parsed.CommandResult, sound) : null;
        if (verb.Length == 0)
            return WithoutVerb(parsed);
        if (unknown is not null)
            return $"option '{Printable.Line(unknown)}' is unknown{MeantOption(parsed, unknown)}{TextWithDash(parsed)}";
        if (SurplusBehindDashes(parsed) is { } surplus)
            return surplus;
        if (parsed.UnmatchedTokens is [var first, ..])
        {
            return IsLikeOption(first)
                ? $"option '{Printable.Line(first)}' is unknown{MeantOption(parsed, first)}"
                : $"'{Printable.Line(first)}' is one too many: {VerbOf(parsed)!.Usage}";
        }

        // What is left was said by whoever parses a value.
        return OfCounts(parsed.CommandResult, VerbOf(parsed)!) ?? Printable.Line(parsed.Errors[0].Message.TrimEnd('.'));
    }

    // What is missing, or there too often.
    private static string? OfCounts(CommandResult typed, Verb verb)
    {
        foreach (var result in typed.Children.OfType<OptionResult>())
        {
            if (result.Implicit || verb.AllFlags.FirstOrDefault(flag => flag.Name == result.Option.Name) is not { ValueName: { } value } flag)
                continue;
            if (result.Tokens.Count == 0)
                return $"{flag.Name} has no value: {flag.Name} {value}";
            if (result.Tokens.Count > result.Option.Arity.MaximumNumberOfValues)
                return $"{flag.Name} is given {result.Tokens.Count} times, and takes one {value}";
        }

        foreach (var (operand, argument) in verb.Operands.Zip(typed.Command.Arguments))
        {
            var isOptional = operand.IsOptional
                || typed.Children.Any(part => part is OptionResult { Implicit: false } given && given.Option.Name == operand.Unless?.Name);
            if (!isOptional && typed.GetResult(argument) is not { Tokens.Count: > 0 })
                return $"{operand.Name} is missing: {verb.Usage}";
        }

        return verb.AllFlags.FirstOrDefault(flag => flag.IsRequired
            && !typed.Children.Any(part => part is OptionResult { Implicit: false } given && given.Option.Name == flag.Name)) is { } missing
            ? $"{missing.Name} {missing.ValueName} is missing"
            : null;
    }

    // Only of what is text may one begin with a dash.
    private static string TextWithDash(ParseResult parsed) =>
        VerbOf(parsed)!.Operands.FirstOrDefault(static operand => operand.Value == FlagValues.Text) is { } text
        ? $" (a {text.Name} that begins with a dash goes after --)"
        : "";

    private static Verb? VerbOf(ParseResult parsed) => (parsed.CommandResult.Command as VerbCommand)?.Verb;

    // What looks like an option, but is none: the parser takes it for the prompt.
    private static string? UnknownOption(ParseResult parsed)
    {
        foreach (var token in parsed.Tokens)
        {
            if (token.Type == TokenType.DoubleDash)
                return null;
            if (token.Type == TokenType.Argument && parsed.CommandResult.Tokens.Contains(token) && IsLikeOption(token.Value))
                return token.Value;
        }

        return null;
    }

    // Behind -- an option is text like any other.
    private static string? SurplusBehindDashes(ParseResult parsed)
    {
        if (!IsBehindDashes(parsed))
            return null;
        var operands = parsed.CommandResult.Command is VerbCommand { Verb.Operands: [_, ..] all } ? $"only one {all[^1].Name} is taken" : "none is taken";
        return $"what stands behind -- is text, and {operands}: '{Printable.Line(parsed.UnmatchedTokens[0])}' is one too many";
    }

    private static bool IsBehindDashes(ParseResult parsed)
    {
        var before = parsed.Tokens.TakeWhile(static token => token.Type != TokenType.DoubleDash).ToArray();
        return before.Length < parsed.Tokens.Count && parsed.UnmatchedTokens is [var first, ..]
            && !before.Any(token => token.Type == TokenType.Argument && token.Value == first);
    }

    private static bool IsLikeOption(string text) =>
        text.Length > 1 && text[0] == '-' && char.IsAsciiLetter(text.TrimStart('-').FirstOrDefault()) && !text.Contains(' ', StringComparison.Ordinal);

    // What other tools call it is what was meant; one letter is no misspelled word, but the beginning of one.
    private static string MeantOption(ParseResult parsed, string unknown)
    {
        var typed = unknown.Split('=', ':')[0];
        var flags = parsed.CommandResult.Command is VerbCommand { Verb: var verb } ? verb.AllFlags.ToArray() : [];
        if (Array.Find(flags, flag => flag.Elsewhere.Contains(typed)) is { } elsewhere)
            return $"; did you mean {elsewhere.Name}?";
        if (typed.Length == 2 && Array.FindAll(flags, flag => flag.Name[2] == char.ToLowerInvariant(typed[1])) is [_, ..] beginning)
            return $"; did you mean {FlagValues.Alternatives([.. beginning.Select(static flag => flag.Name)])}?";
        return NearestWord.Of(typed, [.. flags.Select(static flag => flag.Name), "--help"]) is { } meant ? $"; did you mean {meant}?" : "";
    }

    // As " eval agree"; empty for the root.
    private static string Path(SymbolResult? result) => result is CommandResult { Command: VerbCommand { Verb: var verb } } ? $" {verb.Name}" : "";

    private static string WithoutVerb(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens is not [var first, ..])
            return $"a command is missing; there are {string.Join(", ", parsed.RootCommandResult.Command.Subcommands.Select(static command => command.Name))}";
        return IsBehindDashes(parsed)
            ? $"what stands behind -- is text, and a command comes before it: '{Printable.Line(first)}' is none there"
            : UnknownVerb(parsed, first);
    }

    private static string UnknownVerb(ParseResult parsed, string first)
    {
        var root = parsed.RootCommandResult.Command;
        var verbs = root.Subcommands.Select(static command => command.Name).ToArray();
        var shown = Printable.Line(first);
        if (NearestWord.Of(first, [.. verbs, .. root.Options.Select(static option => option.Name)]) is { } meant)
            return $"'{shown}' is no command; did you mean {meant}?";
        return BundledModels.TryFind(first, out _) || System.IO.Path.Exists(first)
            ? $"'{shown}' is no command but a model or a file; did you mean run {shown}?"
            : $"'{shown}' is no command; there are {string.Join(", ", verbs)}";
    }
}
