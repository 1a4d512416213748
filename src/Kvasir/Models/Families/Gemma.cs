using Kvasir.Files;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>
/// Gemma 2 and 3: norms around each branch, GELU, an embedding that is scaled by the width, and a window in one of two or five of six layers. The second caps
/// scores and logits; the third normalises queries and keys, and rotates layers with a window by themselves.
/// </summary>
internal static class Gemma
{
    private const double WindowBase = 10000;

    // What the files of both leave out, as the class that reads them has it.
    private const int UsualWindow = 4096;
    private const float UsualScoreCap = 50;
    private const float UsualLogitCap = 30;
    private const double UsualScalar = 256;

    private const string ScoreCapKey = "attn_logit_softcapping";
    private const string LogitCapKey = "final_logit_softcapping";

    private static readonly Period ThirdLayers = new(6, 62);
    private static readonly Period SecondLayers = new(2, 46);

    public static readonly ModelFamily Second = new()
    {
        Models = "Gemma 2: 2B to 27B",
        Differs = "norms around each branch, GELU, every second layer sees all, the others a window; scores and logits are capped",
        Gguf = "gemma2",
        FolderType = "gemma2",
        Classes = ["Gemma2ForCausalLM"],
        Gate = GateKind.GeluTanh,
        UsualHeadDim = 256,
        TiesByDefault = true,
        FromGguf = static (keys, config) => FromGguf(With(config, QkNorm.None), SecondLayers, config.SlidingWindowTokens ?? UsualWindow) with
        {
            ScoreCap = Cap(keys, keys.Number(ScoreCapKey) is not null, ScoreCapKey, UsualScoreCap),
            LogitCap = Cap(keys, keys.Number(LogitCapKey) is not null, LogitCapKey, UsualLogitCap),
        },
        FromFolder = static (fields, config) => FromFolder(fields, With(config, QkNorm.None), SecondLayers) with
        {
            ScoreCap = Cap(fields, fields.Mentions(ScoreCapKey), ScoreCapKey, UsualScoreCap),
            LogitCap = Cap(fields, fields.Mentions(LogitCapKey), LogitCapKey, UsualLogitCap),
        },
        FolderNames = Names,
    };

    public static readonly ModelFamily Third = new()
    {
        Models = "Gemma 3: 270M to 27B, their text",
        Differs = "norms around each branch, GELU, every sixth layer sees all, the others a window with a rotation of its own. Gemma 3n does not run",
        Gguf = "gemma3",
        FolderType = "gemma3_text",
        Classes = ["Gemma3ForCausalLM"],
        Gate = GateKind.GeluTanh,
        UsualHeadDim = 256,
        TiesByDefault = true,
        FolderDefaults = new Dictionary<string, double>
        {
            ["vocab_size"] = 262208,
            ["num_attention_heads"] = 8,
            ["num_key_value_heads"] = 4,
            ["max_position_embeddings"] = 131072,
            ["rope_theta"] = 1e6,
        },
        FromGguf = static (keys, config) =>
        {
            keys.RequireNeutral("rope.freq_base_swa", WindowBase);
            return FromGguf(With(config, QkNorm.Heads), ThirdLayers, config.SlidingWindowTokens);
        },
        FromFolder = static (fields, config) =>
        {
            fields.RequireNeutral("rope_local_base_freq", WindowBase);
            return FromFolder(fields, With(config, QkNorm.Heads), ThirdLayers);
        },
        WindowRope = static (_, rope) => rope with { Base = WindowBase, Scaling = RopeScaling.None, Factor = 1 },
        FolderNames = Names,
    };

    private static TensorNames Names => TensorNames.HuggingFace with { NormsLackOne = true, FeedForwardNorm = "pre_feedforward_layernorm.weight" };

    // No key has the scale; the reference knows the model of which it differs by its layers.
    private static ModelConfig FromGguf(ModelConfig config, Period period, int? window) => JsonWindow.WithWindow(
        config with { ScoreScale = config.LayerCount == period.LayersOf27B ? (float)(1 / Math.Sqrt((double)config.Width / config.HeadCount)) : null },
        window,
        layer => (layer + 1) % period.Layers == 0);

    private static ModelConfig FromFolder(JsonFields fields, ModelConfig config, Period period)
    {
        var scalar = fields.Factor("query_pre_attn_scalar") ?? UsualScalar;
        config = config.WithBiases(fields) with { ScoreScale = (float)(1 / Math.Sqrt(scalar)) };
        return JsonWindow.ByLayer(fields, config, period.Layers, fields.Mentions("sliding_window") ? null : UsualWindow);
    }

    private static ModelConfig With(ModelConfig config, QkNorm norm) => (config with { EmbeddingScale = (float)Math.Sqrt(config.Width) })
        .WithLayers(layer => layer with { Norms = NormPlacement.Around, QkNorm = norm });

    // Nothing, 0 and -1 are how files write none.
    private static float? Cap(IConfigFields fields, bool isThere, string key, float usual) => isThere ? (float?)fields.Factor(key) : usual;

    /// <param name="Layers">The last of so many sees all.</param>
    /// <param name="LayersOf27B">Of the largest model.</param>
    private readonly record struct Period(int Layers, int LayersOf27B);
}
