using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>OPT: positions are learned and added to the embedding, norms have biases, and the feed-forward part is two matrices around ReLU.</summary>
internal static class Opt
{
    // Rows of the table of positions that come before the first position's.
    private const int UnusedPositions = 2;

    public static readonly ModelFamily Family = new()
    {
        Models = "OPT: 125M, 1.3B to 66B",
        Differs = "positions are learned and end with the context, norms with biases, ReLU without a gate, biases of all products; "
            + "folders need a tokenizer.json and safetensors; 350M, which norms sums, does not run, and no GGUF architecture exists",
        FolderType = "opt",
        Classes = ["OPTForCausalLM"],
        Norm = NormKind.MeanAndVarianceWithBias,
        Gate = GateKind.PlainRelu,
        TiesByDefault = true,
        FolderDefaults = new Dictionary<string, double> { ["rms_norm_eps"] = 1e-5 },
        FolderKeys = new Dictionary<string, string> { ["intermediate_size"] = "ffn_dim", ["hidden_act"] = "activation_function" },
        FromFolder = static (fields, config) =>
        {
            RefuseOthers(fields, config.Width);
            var hasBiases = fields.Boolean("enable_bias") ?? true;
            return (config with { UnusedPositions = UnusedPositions }).WithBiases(hasBiases, hasBiases)
                .WithLayers(layer => layer with { Rotates = false, HasFeedForwardBias = hasBiases });
        },
        FolderNames = TensorNames.HuggingFace with
        {
            Embedding = "model.decoder.embed_tokens.weight",
            Positions = "model.decoder.embed_positions.weight",
            OutputNorm = "model.decoder.final_layer_norm.weight",
            LayerStart = "model.decoder.layers.",
            AttentionNorm = "self_attn_layer_norm.weight",
            AttentionOutput = "self_attn.out_proj.weight",
            AttentionOutputBias = "self_attn.out_proj.bias",
            FeedForwardNorm = "final_layer_norm.weight",
            Up = "fc1.weight",
            UpBias = "fc1.bias",
            Down = "fc2.weight",
            DownBias = "fc2.bias",
        },
    };

    private static void RefuseOthers(JsonFields fields, int width)
    {
        const string ProjectedKey = "word_embed_proj_dim";
        if (fields.Boolean("do_layer_norm_before") == false)
            throw fields.Unsupported("do_layer_norm_before", "is false: models that norm the sum behind each branch, as OPT-350M, are not supported");
        if (fields.Count(ProjectedKey, ConfigFields.WidthLimit) is { } projected && projected != width)
        {
            throw fields.Unsupported(
                ProjectedKey, $"is {projected}, and the model is {width} wide: projections of the embedding, as in OPT-350M, are not supported");
        }

        fields.RequireTrue("layer_norm_elementwise_affine");
        fields.RequireFalse("_remove_final_layer_norm");
    }
}
