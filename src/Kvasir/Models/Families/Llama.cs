using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>Llama 1 to 3 and what is made as they are, whose files carry biases where the model has some; Mistral, which has a window in folders.</summary>
internal static class Llama
{
    public static readonly ModelFamily Family = new()
    {
        Gguf = "llama",
        Folder = ("llama", "LlamaForCausalLM"),
        GgufOrder = RopeOrder.Interleaved,
        FromGguf = static (keys, config) => WithBiases(config, keys.HasPart(TensorNames.Gguf.QueryBias), keys.HasPart(TensorNames.Gguf.AttentionOutputBias)),
        FromFolder = static (fields, config) => fields.Boolean("attention_bias") == true ? WithBiases(config, true, true) : config,
    };

    public static readonly ModelFamily Mistral = new()
    {
        Folder = ("mistral", "MistralForCausalLM"),
        FromFolder = static (fields, config) => config with { SlidingWindowTokens = JsonWindow.Read(fields) },
    };

    private static ModelConfig WithBiases(ModelConfig config, bool projections, bool output) =>
        config with { Layers = config.Layers.With(layer => layer with { HasQkvBias = projections, HasOutputBias = output }) };
}
