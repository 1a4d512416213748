using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>gpt-oss: experts with biases and clamped halves, a sink in every head, and a window in every other layer.</summary>
internal static class GptOss
{
    private const int Pattern = 2;

    // What halves are clamped to.
    private const double Limit = 7;

    public static readonly ModelFamily Family = new()
    {
        Models = "gpt-oss: 20B, 120B",
        Differs = "a sink in every head, a window in every other layer, biases, clamped SwiGLU; 32 or 128 experts, of which 4 are used. "
            + "Experts of folders, in 4 bits (mxfp4) or in floats, are rearranged in memory when they are loaded",
        Gguf = "gpt-oss",
        FolderType = "gpt_oss",
        Classes = ["GptOssForCausalLM"],
        Gate = GateKind.ClampedSilu,
        Quantization = "mxfp4",
        FromGguf = static (keys, config) => JsonWindow.WithWindow(
            With(config.WithBiases(keys).WithExperts(keys, RouterKind.OfChosen)), config.SlidingWindowTokens, static layer => layer % Pattern == Pattern - 1),
        FromFolder = static (fields, config) =>
        {
            fields.RequireNeutral("swiglu_limit", Limit);
            var experts = config.WithBiases(fields).WithExperts(fields, ("num_local_experts", "intermediate_size", null), RouterKind.OfChosen);
            return JsonWindow.ByLayer(fields, With(experts), Pattern);
        },
        // The name stands for another norm in most families that have it.
        GgufNames = TensorNames.Gguf with { FeedForwardNorm = TensorNames.Gguf.AttentionOutputNorm },
        FolderNames = TensorNames.HuggingFace with { Experts = ExpertNames.HuggingFace with { Router = "mlp.router.weight", Alternates = true } },
    };

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with
    {
        HasSinks = true,
        Experts = layer.Experts! with { HasBiases = true },
    });
}
