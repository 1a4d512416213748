using Kvasir.Models;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Which model, and how it is loaded.</summary>
internal static class ModelFlags
{
    public static readonly Operand Model = new(
        "MODEL",
        $"A GGUF file, a Hugging Face style folder, or a bundled model: {string.Join(", ", BundledModels.Names)}",
        FlagValues.Path with { Choices = static () => [.. BundledModels.Names] });

    public static readonly SwitchFlag NoRepack = new(
        "--no-repack",
        "Read the weights where the file is mapped, which processes can share, and not from a copy in the order that this machine's kernels read fastest");

    public static ModelOptions Read(TypedCommand typed) => new() { Repack = !typed.Is(NoRepack) };
}
