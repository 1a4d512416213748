using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Granite: four factors, on the embedding, on what layers add, on scores and on logits, some with experts; MiniCPM, with three of them.</summary>
internal static class Granite
{
    // What the first files were made for, which say nothing: arXiv 2404.06395, table 7.
    private const double MiniEmbeddingScale = 12;
    private const double MiniDepth = 1.4;
    private const double MiniWidth = 256;

    private const string ExpertsKey = "num_local_experts";
    private const string SharedKey = "shared_intermediate_size";

    private static readonly TensorNames MoeNames = TensorNames.HuggingFace with
    {
        Experts = ExpertNames.HuggingFace with
        {
            Router = "block_sparse_moe.router.layer.weight",
            GateUp = "block_sparse_moe.input_linear.weight",
            Down = "block_sparse_moe.output_linear.weight",
        },
    };

    public static readonly ModelFamily Family = new()
    {
        Models = "Granite 3.0 to 3.3, 4.x dense without state spaces: 350M to 8B",
        Differs = "four factors; Granite-4-H does not run",
        Gguf = "granite",
        FolderType = "granite",
        Classes = ["GraniteForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FromGguf = static (keys, config) => WithFactors(keys, config),
        FromFolder = static (fields, config) => WithFactors(fields, config).WithBiases(fields),
    };

    public static readonly ModelFamily Moe = new()
    {
        Models = "Granite 3.0 and 3.1 with experts: 1B-A400M, 3B-A800M",
        Differs = "as Granite; 32 or 40 experts, of which 8 are used",
        Gguf = "granitemoe",
        FolderType = "granitemoe",
        Classes = ["GraniteMoeForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FolderNames = MoeNames,
        FromGguf = static (keys, config) => WithFactors(keys, config).WithExperts(keys, RouterKind.OfChosen, mayShare: true),
        FromFolder = static (fields, config) => WithFactors(fields, config).WithBiases(fields)
            .WithExperts(fields, (ExpertsKey, "intermediate_size", null), RouterKind.OfChosen),
    };

    /// <summary>The same with a part that every row goes through.</summary>
    public static readonly ModelFamily SharedMoe = new()
    {
        Models = "Granite with shared experts",
        Differs = "as Granite with experts, beside which every row goes through a part in common. In GGUF granitemoe",
        FolderType = "granitemoeshared",
        Classes = ["GraniteMoeSharedForCausalLM"],
        FolderNames = MoeNames,
        FromFolder = static (fields, config) => WithFactors(fields, config).WithBiases(fields)
            .WithExperts(fields, (ExpertsKey, "intermediate_size", SharedKey), RouterKind.OfChosen),
    };

    /// <summary>Dense models of Granite 4: a hybrid's configuration in which every layer is attention, and its shared feed-forward part the only one.</summary>
    public static readonly ModelFamily Dense = new()
    {
        Models = "Granite 4.0 and 4.1 dense: 350M, 1B, Micro",
        Differs = "as Granite 3; layers of state spaces, and experts, are refused",
        FolderType = "granitemoehybrid",
        Classes = ["GraniteMoeHybridForCausalLM"],
        TiesByDefault = true,
        FolderKeys = new Dictionary<string, string> { ["intermediate_size"] = SharedKey },
        FolderNames = TensorNames.HuggingFace with { GateUp = "shared_mlp.input_linear.weight", Down = "shared_mlp.output_linear.weight" },
        FromFolder = static (fields, config) =>
        {
            if (fields.Strings("layer_types") is { } kinds && Array.Exists(kinds, static kind => kind != "attention"))
                throw fields.Unsupported("layer_types", "names layers of state spaces, which are not supported");
            var positions = fields.String("position_embedding_type") ?? "rope";
            if (positions is not ("rope" or "nope"))
                throw fields.Unsupported("position_embedding_type", $"is {MessageText.Name(positions)}; supported are rope and nope");
            return WithFactors(fields, config).WithBiases(fields).WithLayers(layer => layer with { Rotates = positions == "rope" });
        },
    };

    /// <summary>MiniCPM: the same but for the factor on scores; two of the others follow from depth and width.</summary>
    public static readonly ModelFamily MiniCpm = new()
    {
        Models = "MiniCPM 1, 2 and 4: 0.5B to 8B",
        Differs = "three factors; LongRoPE in 4, whose sparse layers run as the policy says, densely by default",
        Gguf = "minicpm",
        FolderType = "minicpm",
        Classes = ["MiniCPMForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        TiesByDefault = true,
        FromGguf = static (keys, config) => WithFactors(
            config, keys.Factor("embedding_scale") ?? MiniEmbeddingScale, keys.Factor("residual_scale") ?? MiniDepth / Math.Sqrt(config.LayerCount),
            keys.Factor("logit_scale") ?? config.Width / MiniWidth).WithBiases(keys),
        FromFolder = static (fields, config) => WithFactors(
            config, fields.Factor("scale_emb") ?? 1, (fields.Factor("scale_depth") ?? 1) / Math.Sqrt(config.LayerCount),
            config.Width / (fields.Factor("dim_model_base") ?? 1)).WithBiases(fields),
    };

    private static ModelConfig WithFactors(GgufKeys keys, ModelConfig config) => (config with
    {
        EmbeddingScale = (float)(keys.Factor("embedding_scale") ?? 1),
        LogitScale = (float)(1 / (keys.Factor("logit_scale") ?? 1)),
        ScoreScale = (float?)keys.Factor("attention.scale"),
    }).WithBiases(keys).WithLayers(Layer(keys.Factor("residual_scale"), keys.Boolean("rope.scaling.finetuned") != false));

    private static ModelConfig WithFactors(JsonFields fields, ModelConfig config) => (config with
    {
        EmbeddingScale = (float)(fields.Factor("embedding_multiplier") ?? 1),
        LogitScale = (float)(1 / (fields.Factor("logits_scaling") ?? 1)),
        ScoreScale = (float)(fields.Factor("attention_multiplier") ?? 1),
    }).WithLayers(Layer(fields.Factor("residual_multiplier"), rotates: true));

    private static Func<LayerShape, LayerShape> Layer(double? residual, bool rotates) =>
        layer => layer with { ResidualScale = (float)(residual ?? 1), Rotates = rotates };

    private static ModelConfig WithFactors(ModelConfig config, double embedding, double residual, double divisor) => (config with
    {
        EmbeddingScale = (float)embedding,
        LogitScale = (float)(1 / divisor),
    }).WithLayers(layer => layer with { ResidualScale = (float)residual });
}
