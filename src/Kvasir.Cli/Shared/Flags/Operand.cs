using System.CommandLine;
using System.CommandLine.Parsing;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>What a verb takes without a name, by its place.</summary>
/// <param name="Name">In capitals.</param>
/// <param name="Value">What may be typed; what it says of a wrong one needs no name before it.</param>
internal sealed record Operand(string Name, string Help, FlagValue<string> Value)
{
    public bool IsOptional { get; init; }

    /// <summary>Whether several may be typed.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>A flag that takes its place: with that it is optional. Null for none.</summary>
    public Flag? Unless { get; init; }

    /// <summary>All that may be typed; empty where that is no short list.</summary>
    public IReadOnlyList<string> Choices => Value.Choices();

    /// <summary>Whether it may be the name of a file or folder.</summary>
    public bool TakesPath => Value.IsPath;

    /// <summary>As MODEL, [PROMPT] or [MODEL ...].</summary>
    public string Shown => (IsOptional, IsRepeated) switch
    {
        (true, true) => $"[{Name} ...]",
        (true, false) => $"[{Name}]",
        (false, true) => $"{Name} [{Name} ...]",
        _ => Name,
    };

    /// <summary>A new argument for the parser.</summary>
    public Argument ForParser()
    {
        var mayBeMissing = IsOptional || Unless is not null;
        return IsRepeated
            ? new Argument<string[]>(Name)
            {
                Arity = mayBeMissing ? ArgumentArity.ZeroOrMore : ArgumentArity.OneOrMore,
                CustomParser = result => Parsed(result, () => result.Tokens.Select(token => Value.Parse(token.Value)).ToArray()),
            }
            : new Argument<string>(Name)
            {
                Arity = mayBeMissing ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
                CustomParser = result => Parsed(result, () => Value.Parse(result.Tokens[^1].Value)),
            };
    }

    private static T? Parsed<T>(ArgumentResult result, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (KvasirException refusal)
        {
            result.AddError(refusal.Message);
            return default;
        }
    }
}
