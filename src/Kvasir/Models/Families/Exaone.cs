using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>EXAONE 3, which is Llama under other names; EXAONE 4, with norms behind each branch.</summary>
internal static class Exaone
{
    public static readonly ModelFamily Third = new()
    {
        Models = "EXAONE 3.0, 3.5, Deep: 2.4B to 32B",
        Differs = "other names for the same",
        Gguf = "exaone",
        FolderType = "exaone",
        Classes = ["ExaoneForCausalLM"],
        FolderKeys = new Dictionary<string, string>
        {
            ["num_hidden_layers"] = "num_layers",
            ["rms_norm_eps"] = "layer_norm_epsilon",
            ["hidden_act"] = "activation_function",
        },
        FolderNames = TensorNames.HuggingFace with
        {
            Embedding = "transformer.wte.weight",
            OutputNorm = "transformer.ln_f.weight",
            LayerStart = "transformer.h.",
            AttentionNorm = "ln_1.weight",
            Query = "attn.attention.q_proj.weight",
            Key = "attn.attention.k_proj.weight",
            Value = "attn.attention.v_proj.weight",
            AttentionOutput = "attn.attention.out_proj.weight",
            FeedForwardNorm = "ln_2.weight",
            Gate = "mlp.c_fc_0.weight",
            Up = "mlp.c_fc_1.weight",
            Down = "mlp.c_proj.weight",
        },
    };

    public static readonly ModelFamily Fourth = new()
    {
        Models = "EXAONE 4.0: 1.2B, 32B",
        Differs = "norms behind each branch and of heads; in 32B every fourth layer sees all and knows no positions, the others have a window",
        Gguf = "exaone4",
        FolderType = "exaone4",
        Classes = ["Exaone4ForCausalLM"],
        // The reference knows the windowed one by its 64 layers.
        FromGguf = static (keys, config) => Windowed(JsonWindow.WithWindow(
            With(config), config.SlidingWindowTokens ?? (config.LayerCount == 64 ? 4096 : null), static layer => (layer + 1) % Pattern == 0)),
        FromFolder = static (fields, config) => Windowed(JsonWindow.ByLayer(fields, With(config), Pattern)),
    };

    private const int Pattern = 4;

    // Without a window all layers know positions, with one those alone that have it.
    private static ModelConfig Windowed(ModelConfig config) =>
        config.SlidingWindowTokens is null ? config : config.WithLayers(static layer => layer with { Rotates = !layer.SeesAll });

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with { Norms = NormPlacement.After, QkNorm = QkNorm.Heads });
}
