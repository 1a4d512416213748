using Kvasir.Files;
using Kvasir.Models.Configs;

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
        Models = "EXAONE 4.0: 1.2B",
        Differs = "norms behind each branch and of heads; 32B, with windows in some layers, does not run",
        Gguf = "exaone4",
        FolderType = "exaone4",
        Classes = ["Exaone4ForCausalLM"],
        FromGguf = static (keys, config) =>
        {
            keys.RequireNeutral("attention.sliding_window", 0, -1);
            return With(config);
        },
        FromFolder = static (fields, config) =>
        {
            if (JsonWindow.Read(fields) is not null)
                throw fields.Unsupported("sliding_window", "gives some layers a window, which is not supported");
            return With(config);
        },
    };

    private static ModelConfig With(ModelConfig config) => config.WithLayers(static layer => layer with { Norms = NormPlacement.After, QkNorm = QkNorm.Heads });
}
