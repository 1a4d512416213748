using System.CommandLine;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>A flag without a value: it is there or not.</summary>
internal sealed record SwitchFlag(string Name, string Help) : Flag(Name, Help)
{
    public override Option ForParser() => new Option<bool>(Name, Letter is null ? [] : [Letter]) { Arity = ArgumentArity.Zero };
}
