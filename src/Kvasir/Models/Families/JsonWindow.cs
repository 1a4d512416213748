using Kvasir.Files;

namespace Kvasir.Models.Families;

/// <summary>The sliding window that a config.json gives all layers: sliding_window, unless layer_types says that they see everything.</summary>
internal static class JsonWindow
{
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
