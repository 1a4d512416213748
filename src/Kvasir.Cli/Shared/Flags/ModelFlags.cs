using System.CommandLine;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How a model is loaded.</summary>
internal sealed class ModelFlags
{
    private readonly Option<bool> _noRepack = new("--no-repack")
    {
        Description = "Read the weights where the file is mapped, which processes can share, and not from a copy in the order that this machine's kernels read fastest",
    };

    public void AddTo(Command command) => command.Options.Add(_noRepack);

    public ModelOptions Read(ParseResult typed) => new() { Repack = !typed.GetValue(_noRepack) };
}
