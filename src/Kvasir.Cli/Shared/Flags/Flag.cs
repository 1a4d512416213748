using System.CommandLine;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>
/// A flag, defined once. The parser, help, errors, completion and documents are made from it; a verb that means something else by the same flag says so
/// by <c>with</c>.
/// </summary>
/// <param name="Name">With its two dashes.</param>
/// <param name="Help">What it does, without limits and default.</param>
internal abstract record Flag(string Name, string Help)
{
    /// <summary>A dash and a letter, for the few flags that have one.</summary>
    public string? Letter { get; init; }

    /// <summary>What other tools call it. Whoever types that is told this name.</summary>
    public IReadOnlyList<string> Elsewhere { get; init; } = [];

    /// <summary>Whether a command line without it is none.</summary>
    public bool IsRequired { get; init; }

    /// <summary>A word in capitals for its value; null where it takes none.</summary>
    public virtual string? ValueName => null;

    /// <summary>Limits and default, as help has them in brackets; empty for none.</summary>
    public virtual string Facts => "";

    /// <summary>All that may be typed behind it; empty where that is no short list.</summary>
    public virtual IReadOnlyList<string> Choices => [];

    /// <summary>Whether its value is the name of a file or folder.</summary>
    public virtual bool TakesPath => false;

    /// <summary>A new option for the parser.</summary>
    public abstract Option ForParser();
}
