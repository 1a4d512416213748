using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>Gemma 3: norms around each branch, GELU, an embedding that is scaled by the width, and a window in five of six layers.</summary>
internal static class Gemma
{
    private const int Pattern = 6;
    private const double WindowBase = 10000;
    private const int LayersOf27B = 62;

    public static readonly ModelFamily Third = new()
    {
        Models = "Gemma 3: 270M to 27B, their text",
        Differs = "norms around each branch, GELU, every sixth layer sees all, the others a window with a rotation of its own. "
            + "Gemma 2, with capped scores, and 3n do not run",
        Gguf = "gemma3",
        FolderType = "gemma3_text",
        Classes = ["Gemma3ForCausalLM"],
        Gate = GateKind.GeluTanh,
        UsualHeadDim = 256,
        TiesByDefault = true,
        FromGguf = static (keys, config) =>
        {
            keys.RequireNeutral("rope.freq_base_swa", WindowBase);
            // No key has the scale; the reference knows the one that differs by its layers.
            var scale = config.LayerCount == LayersOf27B ? (float?)(1 / Math.Sqrt((double)config.Width / config.HeadCount)) : null;
            return JsonWindow.WithWindow(With(config) with { ScoreScale = scale }, config.SlidingWindowTokens, static layer => (layer + 1) % Pattern == 0);
        },
        FromFolder = static (fields, config) =>
        {
            fields.RequireNeutral("rope_local_base_freq", WindowBase);
            var scalar = fields.Factor("query_pre_attn_scalar") ?? config.HeadDim;
            return JsonWindow.ByLayer(fields, With(config).WithBiases(fields) with { ScoreScale = (float)(1 / Math.Sqrt(scalar)) }, Pattern);
        },
        WindowRope = static rope => rope with { Base = WindowBase, Scaling = RopeScaling.None, Factor = 1 },
        FolderNames = TensorNames.HuggingFace with { NormsLackOne = true, FeedForwardNorm = "pre_feedforward_layernorm.weight" },
    };

    private static ModelConfig With(ModelConfig config) => (config with { EmbeddingScale = (float)Math.Sqrt(config.Width) })
        .WithLayers(static layer => layer with { Norms = NormPlacement.Around, QkNorm = QkNorm.Heads });
}
