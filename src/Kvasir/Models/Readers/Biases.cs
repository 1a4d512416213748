using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Biases of attention's products, for families whose models have them or not.</summary>
internal static class Biases
{
    /// <summary>As the tensors of the first layer are.</summary>
    public static ModelConfig WithBiases(this ModelConfig config, GgufKeys keys) => config.WithBiases(
        keys.HasPart(TensorNames.Gguf.QueryBias) || keys.HasPart(TensorNames.Gguf.QueryKeyValueBias), keys.HasPart(TensorNames.Gguf.AttentionOutputBias));

    /// <summary>As attention_bias says, of queries, keys, values and output alike.</summary>
    public static ModelConfig WithBiases(this ModelConfig config, JsonFields fields)
    {
        var hasBiases = fields.Boolean("attention_bias") == true;
        return config.WithBiases(hasBiases, hasBiases);
    }

    public static ModelConfig WithBiases(this ModelConfig config, bool projections, bool output) =>
        config.WithLayers(layer => layer with { HasQkvBias = projections, HasOutputBias = output });

    public static ModelConfig WithLayers(this ModelConfig config, Func<LayerShape, LayerShape> change) => config with { Layers = config.Layers.With(change) };
}
