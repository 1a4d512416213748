using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>Qwen 2 and 2.5, with biases before attention; Qwen 3, with norms of heads in their place.</summary>
internal static class Qwen
{
    public static readonly ModelFamily Second = new()
    {
        Gguf = "qwen2",
        Folder = ("qwen2", "Qwen2ForCausalLM"),
        FromGguf = static (_, config) => WithBiases(config),
        FromFolder = static (fields, config) => WithBiases(config) with { SlidingWindowTokens = Window(fields, config.LayerCount) },
    };

    public static readonly ModelFamily Third = new()
    {
        Gguf = "qwen3",
        Folder = ("qwen3", "Qwen3ForCausalLM"),
        UsualHeadDim = 128,
        FromGguf = static (_, config) => WithNorms(config, hasBiases: false),
        FromFolder = static (fields, config) =>
            WithNorms(config, fields.Boolean("attention_bias") == true) with { SlidingWindowTokens = Window(fields, config.LayerCount) },
    };

    private static ModelConfig WithBiases(ModelConfig config) => config with { Layers = config.Layers.With(static layer => layer with { HasQkvBias = true }) };

    private static ModelConfig WithNorms(ModelConfig config, bool hasBiases) => config with
    {
        Layers = config.Layers.With(layer => layer with { HasQkNorm = true, HasQkvBias = hasBiases, HasOutputBias = hasBiases }),
    };

    // Counts only where it is switched on, and then for the layers from one on.
    private static int? Window(JsonFields fields, int layers)
    {
        if (fields.Boolean("use_sliding_window") != true)
            return null;
        var window = JsonWindow.Read(fields);
        if (window is null || fields.Strings("layer_types") is { Length: > 0 })
            return window;
        var firstWindowed = fields.Integer("max_window_layers") ?? 0;
        if (firstWindowed >= layers)
            return null;
        return firstWindowed <= 0
            ? window
            : throw fields.Unsupported("max_window_layers", $"is {firstWindowed} of {layers} layers: windows in some layers only are not supported");
    }
}
