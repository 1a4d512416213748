using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>GLM-4: half of each head rotates, biases before attention, joined matrices; norms around each branch in those of April 2025.</summary>
internal static class Glm
{
    private const double Share = 0.5;
    private const string OutputNorm = "post_self_attn_layernorm.weight";

    public static readonly ModelFamily Fourth = new()
    {
        Models = "GLM-4-0414, GLM-Z1: 9B, 32B",
        Differs = "norms around each branch; half of each head rotates",
        Gguf = "glm4",
        FolderType = "glm4",
        Classes = ["Glm4ForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        FolderOrder = RopeOrder.Interleaved,
        RotaryShare = Share,
        FromGguf = static (keys, config) =>
        {
            if (keys.Contains("rope.dimension_sections"))
                throw keys.Unsupported("rope.dimension_sections", "is set: models that see pictures are not supported");
            return config.WithBiases(keys).WithLayers(static layer => layer with { Norms = NormPlacement.Around });
        },
        FromFolder = static (fields, config) => config.WithBiases(fields.Boolean("attention_bias") == true, output: false)
            .WithLayers(static layer => layer with { Norms = NormPlacement.Around }),
        FolderNames = TensorNames.HuggingFace with { AttentionOutputNorm = OutputNorm, FeedForwardOutputNorm = "post_mlp_layernorm.weight" },
    };

    public static readonly ModelFamily Chat = new()
    {
        Models = "GLM-4-9B-chat-hf, GLM-Edge",
        Differs = "half of each head rotates",
        FolderType = "glm",
        Classes = ["GlmForCausalLM"],
        FolderOrder = RopeOrder.Interleaved,
        UsualHeadDim = 128,
        RotaryShare = Share,
        FromFolder = static (fields, config) => config.WithBiases(fields.Boolean("attention_bias") == true, output: false),
    };

    public static readonly ModelFamily ChatGlm = new()
    {
        Models = "GLM-4-9B-chat and -chat-1M, ChatGLM 3",
        Differs = "half of each head rotates; other names",
        Gguf = "chatglm",
        FolderType = "chatglm",
        Classes = ["ChatGLMModel", "ChatGLMForConditionalGeneration"],
        GgufOrder = RopeOrder.Interleaved,
        FolderOrder = RopeOrder.Interleaved,
        RotaryShare = Share,
        FolderKeys = new Dictionary<string, string>
        {
            ["num_hidden_layers"] = "num_layers",
            ["num_key_value_heads"] = "multi_query_group_num",
            ["head_dim"] = "kv_channels",
            ["intermediate_size"] = "ffn_hidden_size",
            ["vocab_size"] = "padded_vocab_size",
            ["max_position_embeddings"] = "seq_length",
            ["rms_norm_eps"] = "layernorm_epsilon",
        },
        FromGguf = static (keys, config) => config.WithBiases(keys),
        FromFolder = static (fields, config) =>
        {
            foreach (var key in (ReadOnlySpan<string>)["rmsnorm", "post_layer_norm", "multi_query_attention"])
                fields.RequireTrue(key);
            foreach (var key in (ReadOnlySpan<string>)["add_bias_linear", "apply_residual_connection_post_layernorm"])
                fields.RequireFalse(key);
            return config.WithBiases(fields.Boolean("add_qkv_bias") == true, output: false);
        },
        RopeFromFolder = static (fields, rope) => rope with { Base = rope.Base * (fields.Factor("rope_ratio") ?? 1) },
        FolderNames = TensorNames.HuggingFace with
        {
            Embedding = "transformer.embedding.word_embeddings.weight",
            OutputNorm = "transformer.encoder.final_layernorm.weight",
            Output = "transformer.output_layer.weight",
            LayerStart = "transformer.encoder.layers.",
            QueryKeyValue = "self_attention.query_key_value.weight",
            QueryKeyValueBias = "self_attention.query_key_value.bias",
            AttentionOutput = "self_attention.dense.weight",
            GateUp = "mlp.dense_h_to_4h.weight",
            Down = "mlp.dense_4h_to_h.weight",
        },
    };
}
