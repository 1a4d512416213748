using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>gpt-oss: experts with biases and clamped halves, a sink in every head, and a window in every other layer.</summary>
internal static class GptOss
{
    public static readonly ModelFamily Family = new()
    {
        Models = "gpt-oss: 20B, 120B",
        Differs = "a sink in every head, a window in every other layer, biases, clamped SwiGLU; 32 or 128 experts, of which 4 are used. No folders yet",
        Gguf = "gpt-oss",
        Gate = GateKind.ClampedSilu,
        FromGguf = static (keys, config) => JsonWindow.WithWindow(
            config.WithBiases(keys).WithExperts(keys, RouterKind.OfChosen).WithLayers(static layer => layer with
            {
                HasSinks = true,
                Experts = layer.Experts! with { HasBiases = true },
            }),
            config.SlidingWindowTokens,
            static layer => layer % Pattern == Pattern - 1),
        // The name stands for another norm in most families that have it.
        GgufNames = TensorNames.Gguf with { FeedForwardNorm = TensorNames.Gguf.AttentionOutputNorm },
    };

    private const int Pattern = 2;
}
