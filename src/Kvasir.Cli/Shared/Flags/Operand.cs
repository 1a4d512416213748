using System.CommandLine;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>What a verb takes without a name, by its place.</summary>
/// <param name="Name">In capitals.</param>
/// <param name="Value">What may be typed; what it says of a wrong one needs no name before it.</param>
internal sealed record Operand(string Name, string Help, FlagValue<string> Value)
{
    public bool IsOptional { get; init; }

    /// <summary>A flag that takes its place: with that it is optional. Null for none.</summary>
    public Flag? Unless { get; init; }

    /// <summary>All that may be typed; empty where that is no short list.</summary>
    public IReadOnlyList<string> Choices => Value.Choices();

    /// <summary>Whether it may be the name of a file or folder.</summary>
    public bool TakesPath => Value.IsPath;

    /// <summary>As MODEL or [PROMPT].</summary>
    public string Shown => IsOptional ? $"[{Name}]" : Name;

    /// <summary>A new argument for the parser.</summary>
    public Argument ForParser() => new Argument<string>(Name)
    {
        Arity = IsOptional || Unless is not null ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
        CustomParser = result =>
        {
            try
            {
                return Value.Parse(result.Tokens[^1].Value);
            }
            catch (KvasirException refusal)
            {
                result.AddError(refusal.Message);
                return default;
            }
        },
    };
}
