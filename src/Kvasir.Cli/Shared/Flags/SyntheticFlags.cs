using Kvasir.Synthetic;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Random weights in the shape of a model: they have its speed, and no sense.</summary>
internal static class SyntheticFlags
{
    public static readonly ValueFlag<SyntheticShape> Shape = new(
        "--synthetic",
        $"Random weights in the shape of a model, instead of MODEL: {string.Join(", ", SyntheticShape.Names)}; SHAPE:LAYERS computes fewer layers",
        new("SHAPE", "a shape", TryParseShape) { Choices = static () => SyntheticShape.Names });

    public static readonly ValueFlag<SyntheticWeights> Weights = new(
        "--weights",
        "How a synthetic model's matrices are stored: q4_0, q8_0, q4_k_m or bf16",
        FlagValues.OneOf("TYPE", Array.ConvertAll(Enum.GetValues<SyntheticWeights>(), static type => (type.ToString().ToLowerInvariant(), type))))
    {
        Default = "q4_0",
    };

    // Unknown ones are refused by name, with those that are known.
    private static bool TryParseShape(string text, out SyntheticShape shape)
    {
        shape = SyntheticShape.Parse(text);
        return true;
    }
}
