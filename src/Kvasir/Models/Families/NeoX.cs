using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>GPT-NeoX and Pythia: norms with biases, a feed-forward part without a gate, biases everywhere, and a quarter of each head rotates.</summary>
internal static class NeoX
{
    private const string ParallelKey = "use_parallel_residual";

    public static readonly ModelFamily Family = new()
    {
        Models = "Pythia 14M to 12B, GPT-NeoX-20B's shape, Dolly 2, StableLM alpha",
        Differs = "norms with biases, GELU without a gate, biases of all products, a quarter of each head rotates; both branches side by side, "
            + "each behind a norm of its own. GELU is exact: files that name its approximation are refused in folders, and GGUF does not say",
        Gguf = "gptneox",
        FolderType = "gpt_neox",
        Classes = ["GPTNeoXForCausalLM"],
        Norm = NormKind.MeanAndVarianceWithBias,
        Gate = GateKind.PlainGelu,
        RotaryShare = 0.25,
        FolderDefaults = new Dictionary<string, double> { ["rms_norm_eps"] = 1e-5 },
        FolderKeys = new Dictionary<string, string>
        {
            ["rms_norm_eps"] = "layer_norm_eps",
            ["partial_rotary_factor"] = "rotary_pct",
            ["rope_theta"] = "rotary_emb_base",
        },
        FromGguf = static (keys, config) => With(config, keys.Boolean(ParallelKey) ?? true, hasAttentionBiases: true),
        FromFolder = static (fields, config) => With(config, fields.Boolean(ParallelKey) ?? true, fields.Boolean("attention_bias") ?? true),
        FolderNames = TensorNames.HuggingFace with
        {
            Embedding = "gpt_neox.embed_in.weight",
            OutputNorm = "gpt_neox.final_layer_norm.weight",
            Output = "embed_out.weight",
            LayerStart = "gpt_neox.layers.",
            QueryKeyValue = "attention.query_key_value.weight",
            QueryKeyValueBias = "attention.query_key_value.bias",
            JoinsByGroup = true,
            AttentionOutput = "attention.dense.weight",
            AttentionOutputBias = "attention.dense.bias",
            Up = "mlp.dense_h_to_4h.weight",
            UpBias = "mlp.dense_h_to_4h.bias",
            Down = "mlp.dense_4h_to_h.weight",
            DownBias = "mlp.dense_4h_to_h.bias",
            // Masks that older files have beside the weights.
            DerivedEnds = [".attention.bias", ".attention.masked_bias"],
        },
    };

    private static ModelConfig With(ModelConfig config, bool isParallel, bool hasAttentionBiases) =>
        config.WithBiases(hasAttentionBiases, hasAttentionBiases).WithLayers(layer => layer with
        {
            IsParallel = isParallel,
            HasTwoNorms = isParallel,
            HasFeedForwardBias = true,
        });
}
