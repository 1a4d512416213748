using System.CommandLine;
using System.CommandLine.Parsing;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Shared;

/// <summary>A command line that was understood: what was typed for a verb, and what holds where nothing was.</summary>
internal sealed class TypedCommand(ParseResult parsed, Verb verb)
{
    private readonly CommandResult _command = parsed.CommandResult;

    /// <summary>The command line, as one text.</summary>
    public string CommandLine => $"kvasir {string.Join(' ', parsed.Tokens.Select(static token => token.Value))}";

    public bool Has(Flag flag) => Option(flag) is { } option && _command.GetResult(option) is { Implicit: false };

    public bool Is(SwitchFlag flag) => Option(flag) is Option<bool> option && parsed.GetValue(option);

    /// <summary>What was typed, or else the verb's default.</summary>
    public T Get<T>(ValueFlag<T> flag)
    {
        if (Has(flag))
            return parsed.GetValue((Option<T>)Option(flag)!)!;
        var listed = verb.AllFlags.OfType<ValueFlag<T>>().FirstOrDefault(other => other.Name == flag.Name) ?? flag;
        return listed.Value.Parse(listed.Default ?? throw new InvalidOperationException($"{verb.Name} has no default for {flag.Name}"));
    }

    /// <summary>What was typed, or null.</summary>
    public T? Find<T>(ValueFlag<T> flag)
        where T : class => Has(flag) ? Get(flag) : null;

    /// <summary>What was typed, or null.</summary>
    public T? FindValue<T>(ValueFlag<T> flag)
        where T : struct => Has(flag) ? Get(flag) : null;

    /// <summary>The operand, which was typed.</summary>
    public string Get(Operand operand) => Find(operand) ?? throw new InvalidOperationException($"{verb.Name} does without {operand.Name}");

    /// <summary>The operand, or null where it was left out.</summary>
    public string? Find(Operand operand) =>
        _command.Command.Arguments.FirstOrDefault(other => other.Name == operand.Name) is Argument<string> argument
        && _command.GetResult(argument) is { Tokens.Count: > 0 }
            ? parsed.GetValue(argument)
            : null;

    /// <summary>All that was typed for an operand, whether one or several may be.</summary>
    public IReadOnlyList<string> All(Operand operand) =>
        !operand.IsRepeated ? Find(operand) is { } one ? [one] : []
        : _command.Command.Arguments.FirstOrDefault(other => other.Name == operand.Name) is Argument<string[]> argument ? parsed.GetValue(argument) ?? [] : [];

    /// <summary>The command line word by word, without the flags of <paramref name="leftOut"/>.</summary>
    public IEnumerable<string> Words(Func<string, bool> leftOut)
    {
        yield return "kvasir";
        foreach (var word in verb.Name.Split(' '))
            yield return word;
        foreach (var part in _command.Children)
        {
            if (part is OptionResult { Implicit: true } || (part is OptionResult option && leftOut(option.Option.Name)))
                continue;
            if (part is OptionResult { IdentifierToken: { } name })
                yield return name.Value;
            foreach (var token in part.Tokens)
                yield return token.Value;
        }
    }

    private Option? Option(Flag flag) => _command.Command.Options.FirstOrDefault(option => option.Name == flag.Name);
}
