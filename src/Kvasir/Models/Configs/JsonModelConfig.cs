using Kvasir.Files;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Models.Configs;

/// <summary>Reads a <see cref="ModelConfig"/> from a Hugging Face config.json.</summary>
internal static class JsonModelConfig
{
    private const float DefaultEpsilon = 1e-6f;
    private const int Qwen3HeadDim = 128;

    private static readonly (string Type, string Class)[] Architectures =
    [
        ("llama", "LlamaForCausalLM"),
        ("mistral", "MistralForCausalLM"),
        ("qwen2", "Qwen2ForCausalLM"),
        ("qwen3", "Qwen3ForCausalLM"),
    ];

    public static ModelConfig Read(string path, Notes notes)
    {
        var fields = JsonFields.Read(path, notes);
        var architecture = ReadArchitecture(fields);
        RefuseOthers(fields);
        var config = ReadSizes(fields, architecture, path);
        var rope = JsonRopeConfig.Read(fields, config.HeadDim, config.ContextTokens);
        return (config with { Rope = rope, ContextTokens = rope.StretchedContext(config.ContextTokens) }).RequireSound(path);
    }

    private static string ReadArchitecture(JsonFields fields)
    {
        var type = fields.String("model_type") ?? throw fields.Missing("model_type");
        var known = Array.Find(Architectures, entry => entry.Type == type);
        if (known.Type is null)
            throw fields.Unsupported(
                "model_type", $"is {MessageText.Name(type)}; supported are {string.Join(", ", Architectures.Select(entry => entry.Type))}");
        foreach (var name in fields.Notes.Advice(() => fields.Strings("architectures"), null) ?? [])
        {
            if (!name.Equals(known.Class, StringComparison.OrdinalIgnoreCase))
                throw fields.Unsupported("architectures", $"holds {MessageText.Name(name)}; supported with {known.Type} is {known.Class}");
        }

        return known.Type;
    }

    // Settings that other members of the family use: read past, they would change every result.
    private static void RefuseOthers(JsonFields fields)
    {
        var activation = fields.String("hidden_act");
        if (activation is not (null or "" or "silu" or "swish"))
            throw fields.Unsupported("hidden_act", $"is {MessageText.Name(activation)}; only silu is supported");
        fields.RequireFalse("mlp_bias");
        fields.RequireFalse("rope_interleaved");
        fields.RequireNeutral("partial_rotary_factor", 1);
        foreach (var key in (ReadOnlySpan<string>)["num_experts", "num_local_experts", "n_routed_experts"])
            fields.RequireNeutral(key, 0, -1);
        if (fields.ArrayHolds("no_rope_layers", 0))
            throw fields.Unsupported("no_rope_layers", "leaves layers without rotary positions, which is not supported");
        if (fields.Object("quantization_config") is { IsEmpty: false } quantization)
            throw fields.Unsupported(
                "quantization_config",
                $"asks for {MessageText.Name(quantization.String("quant_method") ?? "a quantisation")}; only F32, F16 and BF16 weights are supported");
    }

    private static ModelConfig ReadSizes(JsonFields fields, string architecture, string path)
    {
        var width = fields.RequiredCount("hidden_size", ConfigFields.WidthLimit);
        var heads = fields.RequiredCount("num_attention_heads", ConfigFields.HeadLimit);
        var headDim = fields.Count("head_dim", ConfigFields.HeadDimLimit) ?? (architecture == "qwen3" ? Qwen3HeadDim : width / heads);
        if (headDim is < 1 or > ConfigFields.HeadDimLimit)
            throw fields.Bad("num_attention_heads", $"is {heads} at a width of {width}: heads of {headDim}; 1 to {ConfigFields.HeadDimLimit} is allowed");
        var layers = fields.RequiredCount("num_hidden_layers", ConfigFields.LayerLimit);
        var hasAllBiases = architecture is "llama" or "qwen3" && fields.Boolean("attention_bias") == true;
        return new ModelConfig
        {
            Architecture = architecture,
            Name = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))) ?? architecture,
            LayerCount = layers,
            Width = width,
            FeedForwardWidth = fields.RequiredCount("intermediate_size", ConfigFields.WidthLimit),
            HeadCount = heads,
            KvHeadCount = fields.Count("num_key_value_heads", ConfigFields.HeadLimit) ?? heads,
            HeadDim = headDim,
            VocabularySize = fields.RequiredCount("vocab_size", ConfigFields.VocabularyLimit),
            ContextTokens = fields.RequiredCount("max_position_embeddings", ConfigFields.ContextLimit),
            NormEpsilon = fields.Epsilon("rms_norm_eps") ?? DefaultEpsilon,
            Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 2, Base = 1 },
            SlidingWindowTokens = ReadSlidingWindow(fields, architecture, layers),
            TiedEmbedding = fields.Boolean("tie_word_embeddings") ?? false,
            HasQkvBias = architecture == "qwen2" || hasAllBiases,
            HasOutputBias = hasAllBiases,
            HasQkNorm = architecture == "qwen3",
        };
    }

    private static int? ReadSlidingWindow(JsonFields fields, string architecture, int layers)
    {
        // Llama has no window whatever its file says, and Qwen's counts only where it is switched on.
        if (architecture == "llama" || (architecture != "mistral" && fields.Boolean("use_sliding_window") != true))
            return null;
        var window = fields.Count("sliding_window", int.MaxValue);
        if (fields.Strings("layer_types") is { Length: > 0 } kinds)
        {
            if (Array.TrueForAll(kinds, kind => kind == "full_attention"))
                return null;
            if (!Array.TrueForAll(kinds, kind => kind == "sliding_attention"))
                throw fields.Unsupported("layer_types", "differs between layers, which is not supported");
            return window ?? throw fields.Missing("sliding_window");
        }

        if (window is null || architecture == "mistral")
            return window;
        var firstWindowed = fields.Integer("max_window_layers") ?? 0;
        if (firstWindowed >= layers)
            return null;
        return firstWindowed <= 0
            ? window
            : throw fields.Unsupported("max_window_layers", $"is {firstWindowed} of {layers} layers: windows in some layers only are not supported");
    }
}
