using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>SmolLM3: every fourth layer knows no positions.</summary>
internal static class SmolLm
{
    private const int Interval = 4;

    public static readonly ModelFamily Third = new()
    {
        Models = "SmolLM3: 3B",
        Differs = "no rotary positions in every fourth layer",
        Gguf = "smollm3",
        FolderType = "smollm3",
        Classes = ["SmolLM3ForCausalLM"],
        GgufOrder = RopeOrder.Interleaved,
        TiesByDefault = true,
        // No key says which layers; the reference counts.
        FromGguf = static (keys, config) => (config with { Layers = Layers(config, Interval) }).WithBiases(keys),
        FromFolder = static (fields, config) =>
        {
            var layers = Layers(config, fields.Count("no_rope_layer_interval", ConfigFields.LayerLimit) ?? Interval);
            return (config with { Layers = fields.Numbers("no_rope_layers") is { } listed ? Listed(fields, config, listed) : layers }).WithBiases(fields);
        },
    };

    private static LayerShapes Layers(ModelConfig config, int interval) =>
        LayerShapes.By(config.LayerCount, layer => new LayerShape { Rotates = (layer + 1) % interval != 0 });

    // In spite of the key's name, 1 is a layer with rotary positions.
    private static LayerShapes Listed(JsonFields fields, ModelConfig config, double[] listed)
    {
        if (listed.Length != config.LayerCount || Array.Exists(listed, static value => value is not (0 or 1)))
            throw fields.Bad("no_rope_layers", $"is not a 0 or 1 for each of {config.LayerCount} layers");
        return LayerShapes.By(config.LayerCount, layer => new LayerShape { Rotates = listed[layer] == 1 });
    }
}
