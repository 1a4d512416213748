using Kvasir.Files;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>Seed-OSS: Llama with biases before attention.</summary>
internal static class SeedOss
{
    public static readonly ModelFamily Family = new()
    {
        Models = "Seed-OSS: 36B",
        Differs = "biases before attention",
        Gguf = "seed_oss",
        FolderType = "seed_oss",
        Classes = ["SeedOssForCausalLM"],
        UsualHeadDim = 128,
        FromGguf = static (keys, config) => config.WithBiases(keys),
        FromFolder = static (fields, config) =>
            config.WithBiases(fields.Boolean("attention_bias") != false, fields.Boolean("attention_out_bias") == true),
        // The name stands for another norm in most families that have it.
        GgufNames = TensorNames.Gguf with { FeedForwardNorm = TensorNames.Gguf.AttentionOutputNorm },
    };
}
