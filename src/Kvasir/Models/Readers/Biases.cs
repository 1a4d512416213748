using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Biases of attention's products, for families whose models have them or not.</summary>
internal static class Biases
{
    /// <summary>As the tensors are, each by itself.</summary>
    public static ModelConfig WithBiases(this ModelConfig config, GgufKeys keys) => config with
    {
        Layers = LayerShapes.By(config.LayerCount, layer => config.Layers[layer] with
        {
            QkvBiases = keys.HasPart(TensorNames.Gguf.QueryKeyValueBias, layer) ? ProjectionBiases.All
                : Where(keys, TensorNames.Gguf.QueryBias, ProjectionBiases.Query, layer)
                    | Where(keys, TensorNames.Gguf.KeyBias, ProjectionBiases.Key, layer)
                    | Where(keys, TensorNames.Gguf.ValueBias, ProjectionBiases.Value, layer),
            HasOutputBias = keys.HasPart(TensorNames.Gguf.AttentionOutputBias, layer),
        }),
    };

    private static ProjectionBiases Where(GgufKeys keys, string part, ProjectionBiases bias, int layer) =>
        keys.HasPart(part, layer) ? bias : ProjectionBiases.None;

    /// <summary>As attention_bias says, of queries, keys, values and output alike.</summary>
    public static ModelConfig WithBiases(this ModelConfig config, JsonFields fields)
    {
        var hasBiases = fields.Boolean("attention_bias") == true;
        return config.WithBiases(hasBiases, hasBiases);
    }

    public static ModelConfig WithBiases(this ModelConfig config, bool projections, bool output) =>
        config.WithLayers(layer => layer with { QkvBiases = projections ? ProjectionBiases.All : ProjectionBiases.None, HasOutputBias = output });

    public static ModelConfig WithLayers(this ModelConfig config, Func<LayerShape, LayerShape> change) => config with { Layers = config.Layers.With(change) };
}
