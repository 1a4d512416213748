using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;
using Kvasir.Models.Readers;

namespace Kvasir.Models.Families;

/// <summary>
/// Gemma 4 without parts of the small ones: layers that see all have larger heads and fewer of them than those with a window, of each of their heads a quarter
/// turns, and their values are their keys before these are normalised; experts stand beside a part for every row.
/// </summary>
internal static class Gemma4
{
    private const double WindowBase = 10000;
    private const int Pattern = 6;

    // What config.json may leave out, as the class that reads it has it.
    private const double TurningShare = 0.25;
    private const int UsualWindow = 512;
    private const int UsualFullDim = 512;

    private const string WindowDimKey = "attention.key_length_swa";
    private const string WindowHeadsKey = "attention.head_count_kv";
    private const string PatternKey = "attention.sliding_window_pattern";

    public static readonly ModelFamily Family = new()
    {
        Models = "Gemma 4: 12B, 31B, 26B-A4B, their text",
        Differs = "norms around each branch and of values, GELU; every sixth layer and the last see all, with heads of 512 whose values are their keys, the "
            + "others a window with heads of 256; a factor for each layer; in 26B-A4B 128 experts, of which 8 are used, beside a part for all rows. "
            + "E2B and E4B do not run",
        Gguf = "gemma4",
        FolderType = "gemma4_text",
        Classes = ["Gemma4ForCausalLM"],
        Gate = GateKind.GeluTanh,
        UsualHeadDim = 256,
        TiesByDefault = true,
        HasWindowHeads = true,
        FolderDefaults = new Dictionary<string, double> { ["vocab_size"] = 262144, ["max_position_embeddings"] = 131072, ["rope_theta"] = 1e6 },
        FolderKeys = new Dictionary<string, string> { ["num_experts_per_tok"] = "top_k_experts" },
        FromGguf = FromGguf,
        FromFolder = FromFolder,
        RopeFromFolder = static (fields, rope) => fields.Contains("rope_parameters") ? rope : JsonRopeConfig.Proportional(rope, TurningShare),
        WindowRope = static (config, rope) => new RopeConfig
        {
            Order = rope.Order,
            Dim = config.WindowHeads?.Dim ?? config.HeadDim,
            Base = WindowBase,
        },
        FolderNames = TensorNames.HuggingFace with
        {
            FeedForwardNorm = "pre_feedforward_layernorm.weight",
            Experts = ExpertNames.HuggingFace with
            {
                Router = "router.proj.weight",
                GateUp = "experts.gate_up_proj",
                Gate = "experts.gate_proj",
                Up = "experts.up_proj",
                Down = "experts.down_proj",
            },
        },
    };

    /// <summary>The same as 12B is published, in one with what sees and hears.</summary>
    public static readonly ModelFamily Unified = Family with
    {
        Models = "Gemma 4 12B as published",
        Differs = "as Gemma 4. In GGUF gemma4",
        Gguf = null,
        FolderType = "gemma4_unified_text",
        Classes = ["Gemma4UnifiedForCausalLM", "Gemma4UnifiedTextForCausalLM", "Gemma4UnifiedForConditionalGeneration"],
    };

    private static ModelConfig FromGguf(GgufKeys keys, ModelConfig config)
    {
        keys.RequireNeutral("attention.shared_kv_layers", 0);
        keys.RequireNeutral("embedding_length_per_layer_input", 0);
        keys.RequireNeutral("rope.freq_base_swa", WindowBase);
        var window = config.SlidingWindowTokens ?? throw keys.Missing("attention.sliding_window");
        config = JsonWindow.WithWindow(config, window, SeesAll(keys, config.LayerCount));
        var dim = keys.Count(WindowDimKey, ConfigFields.HeadDimLimit) ?? config.HeadDim;
        keys.RequireNeutral("attention.value_length_swa", dim);
        keys.RequireNeutral("rope.dimension_count_swa", dim);
        if (keys.IsArray(WindowHeadsKey))
            config = ByKind(keys, config, keys.Integers(WindowHeadsKey)!, dim);
        else
            config = With(config, new HeadSizes(config.KvHeadCount, dim));
        config = WithLayers(config, layer => !keys.File.TryFind(TensorNames.Gguf.Layer(layer, TensorNames.Gguf.Value), out _));
        return WithExperts(ExpertKeys.HasExperts(keys) ? config.WithExperts(keys, RouterKind.OfChosen, mayShare: true) : config, config.FeedForwardWidth) with
        {
            LogitCap = (float?)keys.Factor("final_logit_softcapping"),
        };
    }

    // Of layers of a kind all have as many KV heads.
    private static ModelConfig ByKind(GgufKeys keys, ModelConfig config, int[] counts, int windowDim)
    {
        int? full = null, windowed = null;
        for (var layer = 0; layer < config.LayerCount; layer++)
        {
            var count = counts.Length == config.LayerCount && counts[layer] is >= 1 and <= ConfigFields.HeadLimit ? counts[layer] : 0;
            ref var known = ref config.Layers[layer].SeesAll ? ref full : ref windowed;
            if (count == 0 || (known ?? count) != count)
                throw keys.Unsupported(WindowHeadsKey, $"is not one number for layers with a window and one for the others of {config.LayerCount}");
            known = count;
        }

        return With(config with { KvHeadCount = full ?? windowed!.Value }, new HeadSizes(windowed ?? full!.Value, windowDim));
    }

    private static ModelConfig FromFolder(JsonFields fields, ModelConfig config)
    {
        fields.RequireNeutral("num_kv_shared_layers", 0);
        fields.RequireNeutral("hidden_size_per_layer_input", 0);
        fields.RequireFalse("use_double_wide_mlp");
        if (fields.String("use_bidirectional_attention") is "all")
            throw fields.Unsupported("use_bidirectional_attention", "is 'all': rows would see those behind them");
        var window = fields.Mentions("sliding_window") ? fields.Count("sliding_window", int.MaxValue) ?? throw fields.Missing("sliding_window") : UsualWindow;
        var count = config.LayerCount;
        config = config.WithBiases(fields);
        config = fields.Contains("layer_types")
            ? JsonWindow.ByLayer(fields, config, Pattern, window)
            : JsonWindow.WithWindow(config, window, layer => SeesAll(layer, count));
        var valuesAreKeys = fields.Boolean("attention_k_eq_v") ?? false;
        var windowed = new HeadSizes(config.KvHeadCount, config.HeadDim);
        var full = valuesAreKeys ? fields.Count("num_global_key_value_heads", ConfigFields.HeadLimit) ?? config.KvHeadCount : config.KvHeadCount;
        config = config with { KvHeadCount = full, HeadDim = fields.Count("global_head_dim", ConfigFields.HeadDimLimit) ?? UsualFullDim };
        config = WithLayers(With(config, windowed), _ => valuesAreKeys);
        var hasExperts = fields.Boolean("enable_moe_block") ?? false;
        var width = config.FeedForwardWidth;
        return WithExperts(hasExperts ? config.WithExperts(fields, ("num_experts", "moe_intermediate_size", null), RouterKind.OfChosen) : config, width) with
        {
            LogitCap = (float?)fields.Factor("final_logit_softcapping"),
        };
    }

    // A boolean for each layer, or of so many layers the last; without either as models are made.
    private static Func<int, bool> SeesAll(GgufKeys keys, int count)
    {
        if (!keys.IsArray(PatternKey))
        {
            var pattern = keys.Count(PatternKey, ConfigFields.LayerLimit) ?? Pattern;
            return layer => SeesAll(layer, count, pattern);
        }

        var slides = keys.Booleans(PatternKey)!;
        if (slides.Length != count)
            throw keys.Bad(PatternKey, $"has {slides.Length} elements; one for each of {count} layers is expected");
        return layer => !slides[layer];
    }

    private static bool SeesAll(int layer, int count, int pattern = Pattern) => (layer + 1) % pattern == 0 || layer == count - 1;

    private static ModelConfig With(ModelConfig config, HeadSizes windowed)
    {
        var isMixed = config.Layers.Any(static layer => layer.SeesAll) && config.Layers.Any(static layer => !layer.SeesAll);
        return config with { WindowHeads = isMixed && windowed != new HeadSizes(config.KvHeadCount, config.HeadDim) ? windowed : null };
    }

    private static ModelConfig WithLayers(ModelConfig config, Func<int, bool> valuesAreKeys)
    {
        var index = 0;
        return config with
        {
            EmbeddingScale = (float)Math.Sqrt(config.Width),
            ScoreScale = 1,
            Layers = config.Layers.With(layer => layer with
            {
                Norms = NormPlacement.Around,
                QkNorm = QkNorm.Heads,
                NormsValues = true,
                HasScale = true,
                ValuesAreKeys = valuesAreKeys(index++) && layer.SeesAll,
            }),
        };
    }

    // The part beside them is that of the models without.
    private static ModelConfig WithExperts(ModelConfig config, int sharedWidth) => config with
    {
        FeedForwardWidth = sharedWidth,
        Layers = config.Layers.With(layer => layer.Experts is { } experts
            ? layer with { Experts = experts with { HasShared = true, HasOwnNorms = true, HasOutputScales = true } }
            : layer),
    };
}
