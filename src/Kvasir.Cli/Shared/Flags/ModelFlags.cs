using Kvasir.Cli.Shared;
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

    public static readonly ValueFlag<long> WeightsMemory = new(
        "--weights-memory",
        "The most memory that the weights may take, as 8G: layers beyond it are read from the file at each step, past the page cache, while others are "
        + "computed; a step reads them once for all of its sequences. Of a model with experts all else stays, and of each layer's experts those that are "
        + "chosen most",
        FlagValues.Bytes)
    {
        Otherwise = "all that they are",
    };

    public static readonly ValueFlag<int> KvRank = new(
        "--kv-rank",
        "Keep values in so many elements of a head, by decomposing the weights at load (LoRC); rows take whole blocks of 32, and keys stay as they are",
        FlagValues.Whole(1))
    {
        Otherwise = "as many as a head has",
    };

    public static readonly SwitchFlag SelfDraft = new(
        "--self-draft",
        "Guess tokens by the model's own weights in 4 bits, over the upper 4 bits of a cache in the format quantspec (QuantSpec), as many as pay: same tokens, "
        + "for half the weights' memory more");

    /// <summary>What is typed counts more than what <c>--plan</c> says.</summary>
    /// <exception cref="KvasirException">The plan is missing or damaged.</exception>
    public static ModelOptions Read(TypedCommand typed) =>
        new()
        {
            Repack = !typed.Is(NoRepack),
            MemoryBytes = typed.FindValue(WeightsMemory) ?? PlannedOptions.Read(typed)?.Chosen.WeightsMemoryBytes ?? 0,
            KvRank = typed.FindValue(KvRank) ?? 0,
            DraftWeights = typed.Is(SelfDraft),
        };
}
