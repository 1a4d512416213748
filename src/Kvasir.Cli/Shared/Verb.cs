using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Shared;

/// <summary>A verb of the tool: what it takes, what it says of itself, and what it does. Its row in <see cref="Verbs"/> makes it known.</summary>
internal abstract class Verb
{
    /// <summary>As run; a verb beneath another has both words, as eval agree.</summary>
    public abstract string Name { get; }

    /// <summary>What it does, in a line without a full stop.</summary>
    public abstract string Summary { get; }

    public virtual IReadOnlyList<Operand> Operands => [];

    /// <summary>In the order of help.</summary>
    public abstract IReadOnlyList<FlagGroup> Flags { get; }

    /// <summary>Command lines, one each.</summary>
    public abstract IReadOnlyList<string> Examples { get; }

    /// <summary>What help says below the examples; empty for nothing.</summary>
    public virtual string Notes => "";

    /// <summary>The flags of all groups.</summary>
    public IEnumerable<Flag> AllFlags => Flags.SelectMany(static group => group.Flags);

    /// <summary>The name of the verb that it is beneath; empty for the tool itself.</summary>
    public string Above => Name[..Math.Max(0, Name.LastIndexOf(' '))];

    /// <summary>The name behind <see cref="Above"/>.</summary>
    public string Word => Name.Split(' ')[^1];

    /// <summary>As kvasir run MODEL [PROMPT].</summary>
    public string Usage => string.Join(' ', ["kvasir", Name, .. Operands.Select(static operand => operand.Shown)]);

    /// <summary>What contradicts itself or is missing in a command line whose parts are right, in words; null for nothing.</summary>
    public virtual string? Refusal(TypedCommand typed) => null;

    /// <summary>Does it, and gives the exit code.</summary>
    public abstract int Run(TypedCommand typed);
}
