using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>Command R and R+: one norm by mean and variance in front of both branches, which are computed side by side.</summary>
internal static class Cohere
{
    public static readonly ModelFamily First = new()
    {
        Models = "Command R, Command R+, Aya 23 and Expanse",
        Differs = "both branches side by side behind one norm, a factor on logits; R7B and A, with windows in some layers, do not run",
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

    private static ModelConfig With(ModelConfig config, double logitScale, bool hasHeadNorms) => (config with { LogitScale = (float)logitScale })
        .WithLayers(layer => layer with { IsParallel = true, QkNorm = hasHeadNorms ? QkNorm.OwnHeads : QkNorm.None });
}
