using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>The sliding window of a config.json: sliding_window, unless layer_types says that layers see everything.</summary>
internal static class JsonWindow
{
    /// <summary>Layers of which some see all: as layer_types says, or the last of every so many as a pattern does.</summary>
    /// <param name="usual">Of so many layers the last sees all where the file says nothing.</param>
    /// <param name="usualWindow">Where it has no window; null for none.</param>
    public static ModelConfig ByLayer(JsonFields fields, ModelConfig config, int usual, int? usualWindow = null)
    {
        const string KindsKey = "layer_types";
        var window = fields.Count("sliding_window", int.MaxValue) ?? usualWindow;
        if (fields.Strings(KindsKey) is not { Length: > 0 } kinds)
        {
            var pattern = fields.Count("sliding_window_pattern", ConfigFields.LayerLimit)
                ?? fields.Count("_sliding_window_pattern", ConfigFields.LayerLimit) ?? usual;
            return WithWindow(config, window, layer => (layer + 1) % pattern == 0);
        }

        if (kinds.Length != config.LayerCount || Array.Exists(kinds, static kind => kind is not ("full_attention" or "sliding_attention")))
            throw fields.Unsupported(KindsKey, $"is not full_attention or sliding_attention for each of {config.LayerCount} layers");
        return WithWindow(config, window, layer => kinds[layer] == "full_attention");
    }

    /// <summary>A window in the layers that do not see all.</summary>
    public static ModelConfig WithWindow(ModelConfig config, int? window, Func<int, bool> seesAll)
    {
        if (window is null)
            return config with { SlidingWindowTokens = null };
        var layer = 0;
        return config with { SlidingWindowTokens = window, Layers = config.Layers.With(shape => shape with { SeesAll = seesAll(layer++) }) };
    }

    public static int? Read(JsonFields fields)
    {
        var window = fields.Count("sliding_window", int.MaxValue);
        if (fields.Strings("layer_types") is not { Length: > 0 } kinds)
            return window;
        if (Array.TrueForAll(kinds, static kind => kind == "full_attention"))
            return null;
        if (!Array.TrueForAll(kinds, static kind => kind == "sliding_attention"))
            throw fields.Unsupported("layer_types", "differs between layers, which is not supported");
        return window ?? throw fields.Missing("sliding_window");
    }
}
