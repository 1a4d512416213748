using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>OLMo 2: norms behind each branch, and of all heads of queries and of keys as one row; OLMoE, whose norms stand before them.</summary>
internal static class Olmo
{
    public static readonly ModelFamily Second = new()
    {
        Models = "OLMo 2: 1B to 32B",
        Differs = "norms behind each branch and of whole rows of queries and keys; OLMo 3 below",
        Gguf = "olmo2",
        FolderType = "olmo2",
        Classes = ["Olmo2ForCausalLM"],
        // Files of OLMo 3 say olmo2 too, and have a window.
        FromGguf = static (keys, config) => JsonWindow.WithWindow(With(config), config.SlidingWindowTokens, static layer => (layer + 1) % Pattern == 0),
        FromFolder = static (fields, config) => With(config).WithBiases(fields),
        WindowRope = Plain,
    };

    public static readonly ModelFamily Third = new()
    {
        Models = "OLMo 3: 7B, 32B",
        Differs = "as OLMo 2; every fourth layer sees all, the others a window, whose rotation is not stretched. In GGUF olmo2",
        FolderType = "olmo3",
        Classes = ["Olmo3ForCausalLM"],
        FromFolder = static (fields, config) => JsonWindow.ByLayer(fields, With(config).WithBiases(fields), Pattern),
        WindowRope = Plain,
    };

    public static readonly ModelFamily Moe = new()
    {
        Models = "OLMoE 7B-A1B",
        Differs = "norms of whole rows of queries and keys; 64 experts, of which 8 are used, weighed by softmax over all",
        Gguf = "olmoe",
        FolderType = "olmoe",
        Classes = ["OlmoeForCausalLM"],
        FromGguf = static (keys, config) => WithRowNorms(config).WithExperts(keys, RouterKind.OfAll),
        FromFolder = static (fields, config) =>
        {
            fields.RequireNeutral("clip_qkv", 0);
            return WithRowNorms(config).WithBiases(fields).WithExperts(
                fields, ("num_experts", "intermediate_size", null), fields.Boolean("norm_topk_prob") == true ? RouterKind.OfChosen : RouterKind.OfAll);
        },
    };

    private const int Pattern = 4;

    private static RopeConfig Plain(ModelConfig config, RopeConfig rope) =>
        rope with { Scaling = RopeScaling.None, Factor = 1, AttentionFactor = 1, OriginalContextTokens = 0 };

    private static ModelConfig WithRowNorms(ModelConfig config) => config.WithLayers(static layer => layer with { QkNorm = QkNorm.Row });

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with { Norms = NormPlacement.After, QkNorm = QkNorm.Row });
}
