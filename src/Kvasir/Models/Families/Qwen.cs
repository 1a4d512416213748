using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Qwen 2 and 2.5, with biases before attention; Qwen 3, with norms of heads in their place, and with experts.</summary>
internal static class Qwen
{
    public static readonly ModelFamily Second = new()
    {
        Models = "Qwen 2 and 2.5, their distillations",
        Differs = "biases before attention; a window in some layers only is refused",
        Gguf = "qwen2",
        FolderType = "qwen2",
        Classes = ["Qwen2ForCausalLM"],
        FromGguf = static (_, config) => config.WithBiases(projections: true, output: false),
        FromFolder = static (fields, config) =>
            config.WithBiases(projections: true, output: false) with { SlidingWindowTokens = Window(fields, config.LayerCount) },
    };

    public static readonly ModelFamily Third = new()
    {
        Models = "Qwen 3 dense: 0.6B to 32B",
        Differs = "norms of heads",
        Gguf = "qwen3",
        FolderType = "qwen3",
        Classes = ["Qwen3ForCausalLM"],
        UsualHeadDim = 128,
        FromGguf = static (_, config) => WithNorms(config, hasBiases: false),
        FromFolder = static (fields, config) =>
            WithNorms(config, fields.Boolean("attention_bias") == true) with { SlidingWindowTokens = Window(fields, config.LayerCount) },
    };

    public static readonly ModelFamily ThirdMoe = new()
    {
        Models = "Qwen 3 with experts: 30B-A3B, 235B-A22B, Coder",
        Differs = "as Qwen 3; 128 experts, of which 8 are used; layers without experts are refused",
        Gguf = "qwen3moe",
        FolderType = "qwen3_moe",
        Classes = ["Qwen3MoeForCausalLM"],
        UsualHeadDim = 128,
        FromGguf = static (keys, config) => WithNorms(config, hasBiases: false).WithExperts(keys, RouterKind.OfChosen),
        FromFolder = static (fields, config) =>
            (WithNorms(config, fields.Boolean("attention_bias") == true) with { SlidingWindowTokens = Window(fields, config.LayerCount) })
                .WithExperts(fields, ("num_experts", "moe_intermediate_size", null), Router(fields)),
    };

    // Absent is false, as the class that these files name has it.
    private static RouterKind Router(JsonFields fields) => fields.Boolean("norm_topk_prob") == true ? RouterKind.OfChosen : RouterKind.OfAll;

    private static ModelConfig WithNorms(ModelConfig config, bool hasBiases) =>
        config.WithBiases(hasBiases, hasBiases).WithLayers(static layer => layer with { QkNorm = QkNorm.Heads });

    // Counts only where it is switched on, and then for the layers from one on.
    private static int? Window(JsonFields fields, int layers)
    {
        if (fields.Boolean("use_sliding_window") != true)
            return null;
        var window = JsonWindow.Read(fields);
        if (window is null || fields.Strings("layer_types") is { Length: > 0 })
            return window;
        var firstWindowed = fields.Integer("max_window_layers") ?? 0;
        if (firstWindowed >= layers)
            return null;
        return firstWindowed <= 0
            ? window
            : throw fields.Unsupported("max_window_layers", $"is {firstWindowed} of {layers} layers: windows in some layers only are not supported");
    }
}
