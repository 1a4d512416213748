using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Command R and R+: one norm by mean and variance in front of both branches, which are computed side by side.</summary>
internal static class Cohere
{
    public static readonly ModelFamily First = new()
    {
        Models = "Command R, Command R+, Aya 23 and Expanse",
        Differs = "both branches side by side behind one norm, a factor on logits; R7B and A below",
        Gguf = "command-r",
        FolderType = "cohere",
        Classes = ["CohereForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FolderOrder = RopeOrder.Interleaved,
        Norm = NormKind.MeanAndVariance,
        TiesByDefault = true,
        FolderKeys = new Dictionary<string, string> { ["rms_norm_eps"] = "layer_norm_eps" },
        FromGguf = static (keys, config) =>
            With(config, keys.Factor("logit_scale") ?? 1, keys.HasPart(TensorNames.Gguf.QueryNorm)).WithBiases(keys),
        FromFolder = static (fields, config) =>
            With(config, fields.Factor("logit_scale") ?? 1, fields.Boolean("use_qk_norm") == true).WithBiases(fields) with
            {
                ContextTokens = fields.Count("model_max_length", ConfigFields.ContextLimit) ?? config.ContextTokens,
            },
    };

    public static readonly ModelFamily Second = new()
    {
        Models = "Command R7B, Command A, Aya Vision's text model",
        Differs = "as Command R; every fourth layer sees all and knows no positions, the others have a window",
        Gguf = "cohere2",
        FolderType = "cohere2",
        Classes = ["Cohere2ForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FolderOrder = RopeOrder.Interleaved,
        Norm = NormKind.MeanAndVariance,
        TiesByDefault = true,
        FolderKeys = new Dictionary<string, string> { ["rms_norm_eps"] = "layer_norm_eps" },
        FromGguf = static (keys, config) => Windowed(
            With(config, keys.Factor("logit_scale") ?? 1, hasHeadNorms: false).WithBiases(keys), config => JsonWindow.WithWindow(
                config, keys.RequiredCount("attention.sliding_window", int.MaxValue), static layer => (layer + 1) % Pattern == 0)),
        FromFolder = static (fields, config) =>
        {
            fields.RequireFalse("use_qk_norm");
            var plain = With(config, fields.Factor("logit_scale") ?? 1, hasHeadNorms: false).WithBiases(fields);
            return Windowed(plain, config => JsonWindow.ByLayer(fields, config, Pattern));
        },
    };

    private const int Pattern = 4;

    // Layers that see all know no positions.
    private static ModelConfig Windowed(ModelConfig config, Func<ModelConfig, ModelConfig> window) =>
        window(config).WithLayers(static layer => layer with { Rotates = !layer.SeesAll });

    private static ModelConfig With(ModelConfig config, double logitScale, bool hasHeadNorms) => (config with { LogitScale = (float)logitScale })
        .WithLayers(layer => layer with { IsParallel = true, QkNorm = hasHeadNorms ? QkNorm.OwnHeads : QkNorm.None });
}
