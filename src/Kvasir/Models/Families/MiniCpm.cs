using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>MiniCPM: Granite's factors but for that on scores, which follow from depth and width.</summary>
internal static class MiniCpm
{
    // What the first files were made for, which say nothing: arXiv 2404.06395, table 7.
    private const double EmbeddingScale = 12;
    private const double Depth = 1.4;
    private const double BaseWidth = 256;

    public static readonly ModelFamily Family = new()
    {
        Models = "MiniCPM 1, 2 and 4: 0.5B to 8B",
        Differs = "three factors; LongRoPE in 4, whose sparse layers run as the policy says, densely by default",
        Gguf = "minicpm",
        FolderType = "minicpm",
        Classes = ["MiniCPMForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        TiesByDefault = true,
        FromGguf = static (keys, config) => With(
            config, keys.Factor("embedding_scale") ?? EmbeddingScale, keys.Factor("residual_scale") ?? Depth / Math.Sqrt(config.LayerCount),
            keys.Factor("logit_scale") ?? config.Width / BaseWidth).WithBiases(keys),
        FromFolder = static (fields, config) => With(
            config, fields.Factor("scale_emb") ?? 1, (fields.Factor("scale_depth") ?? 1) / Math.Sqrt(config.LayerCount),
            config.Width / (fields.Factor("dim_model_base") ?? 1)).WithBiases(fields),
    };

    private static ModelConfig With(ModelConfig config, double embedding, double residual, double divisor) => (config with
    {
        EmbeddingScale = (float)embedding,
        LogitScale = (float)(1 / divisor),
    }).WithLayers(layer => layer with { ResidualScale = (float)residual });
}
