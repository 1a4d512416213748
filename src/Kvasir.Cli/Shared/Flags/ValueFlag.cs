using System.CommandLine;
using System.CommandLine.Parsing;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>A flag with a value.</summary>
/// <param name="Value">What may be typed, and what becomes of it.</param>
internal sealed record ValueFlag<T>(string Name, string Help, FlagValue<T> Value) : Flag(Name, Help)
{
    /// <summary>The value where none is typed, spelled as it would be; null where there is none that can be typed.</summary>
    public string? Default { get; init; }

    /// <summary>What happens where none is typed, in words, for flags without a <see cref="Default"/>.</summary>
    public string? Otherwise { get; init; }

    public override string? ValueName => Value.Name;

    public override IReadOnlyList<string> Choices => Value.Choices();

    public override bool TakesPath => Value.IsPath;

    public override string Facts
    {
        get
        {
            var fallback = Default ?? Otherwise;
            string[] facts =
            [
                IsRequired ? "required" : "",
                Value.Limits ?? "",
                Value.Join is null ? "" : "may be repeated",
                fallback is null ? "" : $"default: {fallback}",
            ];
            return string.Join("; ", facts.Where(static fact => fact.Length > 0));
        }
    }

    public override Option ForParser() => new Option<T>(Name, Letter is null ? [] : [Letter])
    {
        HelpName = Value.Name,
        Required = IsRequired,
        Arity = Value.Join is null ? ArgumentArity.ExactlyOne : ArgumentArity.OneOrMore,
        CustomParser = Parse,
    };

    private T? Parse(ArgumentResult result)
    {
        try
        {
            return Value.Parse([.. result.Tokens.Select(static token => token.Value)]);
        }
        catch (KvasirException refusal)
        {
            result.AddError($"{Name}: {refusal.Message}");
            return default;
        }
    }
}
