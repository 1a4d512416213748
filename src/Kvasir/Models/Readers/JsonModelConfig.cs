using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Reads a <see cref="ModelConfig"/> from a Hugging Face config.json.</summary>
internal static class JsonModelConfig
{
    private const float DefaultEpsilon = 1e-6f;

    public static ModelConfig Read(JsonFields file, ModelFamily family, string path)
    {
        var fields = file.Spelled(family.FolderKeys);
        RequireClass(fields, family);
        var config = family.FromFolder(fields, ReadSizes(fields, family, path));
        var rope = family.RopeFromFolder(fields, JsonRopeConfig.Read(fields, family, config.HeadDim, config.ContextTokens));
        RefuseOthers(fields, family);
        var windowRope = config.Attention.FullLayers is null ? null : family.WindowRope?.Invoke(config, rope);
        JsonRopeConfig.RequireInWindows(fields, windowRope ?? rope);
        return config with
        {
            Rope = rope,
            WindowRope = windowRope,
            ContextTokens = rope.StretchedContext(config.ContextTokens),
        };
    }

    // Files of GELU say it under a newer key, and an older one beside it that is wrong.
    private static void RequireGate(JsonFields fields, GateKind gate)
    {
        var key = gate == GateKind.GeluTanh && fields.Contains("hidden_activation") ? "hidden_activation" : "hidden_act";
        string[] names = gate switch
        {
            GateKind.Silu or GateKind.ClampedSilu => ["silu", "swish"],
            GateKind.PlainGelu => ["gelu"],
            GateKind.PlainRelu => ["relu"],
            _ => ["gelu_pytorch_tanh", "gelu_tanh", "gelu_new"],
        };
        if (fields.String(key) is { Length: > 0 } activation && !names.Contains(activation))
            throw fields.Unsupported(key, $"is {MessageText.Name(activation)}; only {names[0]} is supported");
    }

    /// <param name="supported">The method of weights that the family's folders have; null for none.</param>
    public static void RefuseQuantization(JsonFields fields, string? supported)
    {
        if (fields.Object("quantization_config") is { IsEmpty: false } quantization && (supported is null || quantization.String("quant_method") != supported))
        {
            throw fields.Unsupported(
                "quantization_config",
                $"asks for {MessageText.Name(quantization.String("quant_method") ?? "a quantisation")}; "
                    + $"only F32, F16 and BF16 weights{(supported is null ? "" : $" and {supported}")} are supported");
        }
    }

    private static void RequireClass(JsonFields fields, ModelFamily family)
    {
        foreach (var name in fields.Notes.Advice(() => fields.Strings("architectures"), null) ?? [])
        {
            if (!family.Classes.Contains(name, StringComparer.OrdinalIgnoreCase))
                throw fields.Unsupported(
                    "architectures", $"holds {MessageText.Name(name)}; supported with {family.FolderType} is {string.Join(" or ", family.Classes)}");
        }
    }

    // Settings that other members of the family use: read past, they would change every result.
    private static void RefuseOthers(JsonFields fields, ModelFamily family)
    {
        RequireGate(fields, family.Gate);
        fields.RequireFalse("mlp_bias");
        fields.RequireFalse("rope_interleaved");
        foreach (var key in (ReadOnlySpan<string>)["num_experts", "num_local_experts", "n_routed_experts"])
        {
            if (!fields.IsRead(key))
                fields.RequireNeutral(key, 0, -1);
        }

        if (!fields.IsRead("no_rope_layers") && fields.ArrayHolds("no_rope_layers", 0))
            throw fields.Unsupported("no_rope_layers", "leaves layers without rotary positions, which is not supported");
        RefuseQuantization(fields, family.Quantization);
        UnreadSettings.Refuse(fields);
    }

    private static ModelConfig ReadSizes(JsonFields fields, ModelFamily family, string path)
    {
        var width = fields.RequiredCount("hidden_size", ConfigFields.WidthLimit);
        var heads = Count("num_attention_heads", ConfigFields.HeadLimit) ?? throw fields.Missing("num_attention_heads");
        var headDim = fields.Count("head_dim", ConfigFields.HeadDimLimit) ?? family.UsualHeadDim ?? width / heads;
        if (headDim is < 1 or > ConfigFields.HeadDimLimit)
            throw fields.Bad("num_attention_heads", $"is {heads} at a width of {width}: heads of {headDim}; 1 to {ConfigFields.HeadDimLimit} is allowed");
        return new ModelConfig
        {
            Architecture = family.FolderType!,
            Name = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))) ?? family.FolderType!,
            Layers = LayerShapes.Alike(fields.RequiredCount("num_hidden_layers", ConfigFields.LayerLimit), new LayerShape()),
            Width = width,
            FeedForwardWidth = fields.Count("intermediate_size", ConfigFields.WidthLimit) ?? (width * family.UsualExpansion)
                ?? throw fields.Missing("intermediate_size"),
            HeadCount = heads,
            KvHeadCount = Count("num_key_value_heads", ConfigFields.HeadLimit) ?? heads,
            HeadDim = headDim,
            VocabularySize = Count("vocab_size", ConfigFields.VocabularyLimit) ?? throw fields.Missing("vocab_size"),
            ContextTokens = Count("max_position_embeddings", ConfigFields.ContextLimit) ?? throw fields.Missing("max_position_embeddings"),
            Norm = family.Norm,
            Gate = family.Gate,
            NormEpsilon = fields.Epsilon("rms_norm_eps") ?? (float)family.FolderDefaults.GetValueOrDefault("rms_norm_eps", DefaultEpsilon),
            Rope = new RopeConfig { Order = RopeOrder.Halves, Dim = 2, Base = 1 },
            TiedEmbedding = fields.Boolean("tie_word_embeddings") ?? family.TiesByDefault,
        };

        int? Count(string key, int limit) => fields.Count(key, limit) ?? (family.FolderDefaults.TryGetValue(key, out var usual) ? (int)usual : null);
    }
}
