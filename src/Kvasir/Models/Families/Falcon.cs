using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Falcon: both branches side by side, behind one norm with biases or behind one each, and a feed-forward part without a gate.</summary>
internal static class Falcon
{
    private const string FirstNormOfTwo = "attn_norm_2.weight";

    private const string FeedForwardKey = "intermediate_size";

    private const string KvHeadsKey = "num_key_value_heads";

    public static readonly ModelFamily Family = new()
    {
        Models = "Falcon 7B, 11B, 40B, 180B",
        Differs = "both branches side by side, behind one norm with biases or (40B, 180B) behind one each; GELU without a gate, exact; "
            + "one KV head for all queries in 7B. Falcon 3 is Llama's architecture; Falcon-RW, which has ALiBi, does not run, "
            + "and GGUF says 2048 tokens of every size",
        Gguf = "falcon",
        FolderType = "falcon",
        Classes = ["FalconForCausalLM"],
        Norm = NormKind.MeanAndVarianceWithBias,
        Gate = GateKind.PlainGelu,
        TiesByDefault = true,
        UsualExpansion = 4,
        FolderDefaults = new Dictionary<string, double> { ["rms_norm_eps"] = 1e-5, ["max_position_embeddings"] = 2048 },
        FolderKeys = new Dictionary<string, string>
        {
            ["rms_norm_eps"] = "layer_norm_epsilon",
            ["hidden_act"] = "activation",
            [FeedForwardKey] = "ffn_hidden_size",
            [KvHeadsKey] = "num_kv_heads",
        },
        FromGguf = static (keys, config) => With(config, hasTwoNorms: keys.HasPart(FirstNormOfTwo), hasBiases: false),
        FromFolder = static (fields, config) => FromFields(fields, config, isNewByDefault: false),
        GgufNames = TensorNames.Gguf with { AttentionNormOfTwo = FirstNormOfTwo, FeedForwardNorm = TensorNames.Gguf.AttentionNorm },
        FolderNames = TensorNames.HuggingFace with
        {
            Embedding = "transformer.word_embeddings.weight",
            OutputNorm = "transformer.ln_f.weight",
            LayerStart = "transformer.h.",
            AttentionNormOfTwo = "ln_attn.weight",
            FeedForwardNorm = "ln_mlp.weight",
            QueryKeyValue = "self_attention.query_key_value.weight",
            QueryKeyValueBias = "self_attention.query_key_value.bias",
            JoinsByGroup = true,
            AttentionOutput = "self_attention.dense.weight",
            AttentionOutputBias = "self_attention.dense.bias",
            Up = "mlp.dense_h_to_4h.weight",
            UpBias = "mlp.dense_h_to_4h.bias",
            Down = "mlp.dense_4h_to_h.weight",
            DownBias = "mlp.dense_4h_to_h.bias",
        },
    };

    /// <summary>7B as it was first published.</summary>
    public static readonly ModelFamily FirstSmall = Family with
    {
        Models = "Falcon 7B as first published",
        Differs = "as Falcon, with older names of keys",
        Gguf = null,
        FolderType = "RefinedWebModel",
        Classes = ["RWForCausalLM"],
        FolderKeys = OlderKeys(),
    };

    /// <summary>40B as it was first published: its layers are the newer ones, though no key says so.</summary>
    public static readonly ModelFamily FirstLarge = FirstSmall with
    {
        Models = "Falcon 40B as first published",
        FolderType = "RefinedWeb",
        FromFolder = static (fields, config) => FromFields(fields, config, isNewByDefault: true),
    };

    private static Dictionary<string, string> OlderKeys() => new(Family.FolderKeys)
    {
        [KvHeadsKey] = "n_head_kv",
        ["num_hidden_layers"] = "n_layer",
        ["num_attention_heads"] = "n_head",
    };

    private static ModelConfig FromFields(JsonFields fields, ModelConfig config, bool isNewByDefault)
    {
        const string NormsKey = "num_ln_in_parallel_attn";
        if (fields.Boolean("alibi") == true)
            throw fields.Unsupported("alibi", "is true: positions by a bias of distance, as in Falcon-RW, are not supported");
        fields.RequireTrue("parallel_attn");
        var isNew = fields.Boolean("new_decoder_architecture") ?? isNewByDefault;
        var norms = fields.Count(NormsKey, int.MaxValue) ?? (isNew ? 2 : 1);
        if (norms > (isNew ? 2 : 1))
        {
            throw fields.Unsupported(
                NormsKey, $"is {norms}; at most {(isNew ? 2 : 1)} is supported with new_decoder_architecture {(isNew ? "true" : "false")}");
        }

        // Models before the newer layers have one KV head, or one for each query.
        var kvHeads = isNew ? config.KvHeadCount : fields.Boolean("multi_query") ?? true ? 1 : config.HeadCount;
        return With(config with { KvHeadCount = kvHeads }, norms == 2, fields.Boolean("bias") == true);
    }

    private static ModelConfig With(ModelConfig config, bool hasTwoNorms, bool hasBiases) =>
        config.WithBiases(hasBiases, hasBiases).WithLayers(layer => layer with
        {
            IsParallel = true,
            HasTwoNorms = hasTwoNorms,
            HasFeedForwardBias = hasBiases,
        });
}
