using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Mistral, which has a window in the folders of its first models; Ministral 3 and its kin, whose queries grow with their positions.</summary>
internal static class Mistral
{
    public static readonly ModelFamily First = new()
    {
        Models = "Mistral 7B, Nemo, Small 2 to 3.2",
        Differs = "a window over all layers where config.json has one",
        FolderType = "mistral",
        Classes = ["MistralForCausalLM"],
        FromFolder = static (fields, config) => config with { SlidingWindowTokens = JsonWindow.Read(fields) },
    };

    public static readonly ModelFamily Mixtral = new()
    {
        Models = "Mixtral 8x7B, 8x22B",
        Differs = "as Mistral; 8 experts, of which 2 are used. In GGUF llama",
        FolderType = "mixtral",
        Classes = ["MixtralForCausalLM"],
        FolderNames = TensorNames.HuggingFace with
        {
            Experts = ExpertNames.HuggingFace with
            {
                Router = "block_sparse_moe.gate.weight",
                OneGate = "block_sparse_moe.experts.{N}.w1.weight",
                OneUp = "block_sparse_moe.experts.{N}.w3.weight",
                OneDown = "block_sparse_moe.experts.{N}.w2.weight",
            },
        },
        FromFolder = static (fields, config) => (config with { SlidingWindowTokens = JsonWindow.Read(fields) })
            .WithExperts(fields, ("num_local_experts", "intermediate_size", null), RouterKind.OfChosen),
    };

    public static readonly ModelFamily Third = new()
    {
        Models = "Ministral 3, Devstral 2, Mistral Medium 3.5",
        Differs = "YaRN; queries are multiplied by 1 + beta ln(1 + floor(position / original context)); pictures are not seen",
        Gguf = "mistral3",
        FolderType = "ministral3",
        Classes = ["Ministral3ForCausalLM"],
        UsualHeadDim = 128,
        GgufOrder = RopeOrder.Interleaved,
        FromGguf = static (keys, config) => config with
        {
            QueryTemperature = Temperature(
                keys.Number("attention.temperature_scale"),
                keys.Count("rope.scaling.original_context_length", ConfigFields.ContextLimit) ?? config.ContextTokens),
        },
        FromFolder = static (fields, config) =>
        {
            var rope = fields.Object("rope_parameters") ?? fields.Object("rope_scaling");
            return config with
            {
                SlidingWindowTokens = JsonWindow.Read(fields),
                QueryTemperature = Temperature(
                    rope?.Number("llama_4_scaling_beta"),
                    rope?.Count("original_max_position_embeddings", ConfigFields.ContextLimit) ?? config.ContextTokens),
            };
        },
        RopeFromGguf = static (keys, rope) => keys.Factor("rope.scaling.yarn_log_multiplier") is { } all && rope.Scaling == RopeScaling.Yarn
            ? rope with { AttentionFactor = rope.AttentionFactor / ((0.1 * all * Math.Log(Math.Max(rope.Factor, 1))) + 1) }
            : rope,
    };

    private static QueryTemperature? Temperature(double? slope, int tokens) => slope is null or 0 ? null : new QueryTemperature(slope.Value, tokens);
}
