using Kvasir.Files;

namespace Kvasir.Models.Configs;

/// <summary>Keys of either container from which an <see cref="ExpertShape"/> is read, and those of experts chosen otherwise, which are refused.</summary>
internal static class ExpertKeys
{
    private const int CountLimit = 1 << 16;

    // Of families that choose otherwise: by groups of experts, by sigmoids, not in every layer, or with a part for guesses at the end.
    private static readonly (string Key, double[] Neutral)[] GgufNeutral =
    [
        ("expert_group_count", [0, 1]), ("expert_group_used_count", [0, 1]), ("leading_dense_block_count", [0]), ("interleave_moe_layer_step", [0, 1]),
        ("moe_every_n_layers", [0, 1]), ("nextn_predict_layers", [0]), ("expert_shared_count", [0]),
    ];

    private static readonly (string Key, double[] Neutral)[] FolderNeutral =
    [
        ("n_group", [0, 1]), ("topk_group", [0, 1]), ("first_k_dense_replace", [0]), ("decoder_sparse_step", [1, 0]), ("num_nextn_predict_layers", [0]),
        ("n_shared_experts", [0]), ("shared_expert_intermediate_size", [0]), ("routed_scaling_factor", [1, 0]),
    ];

    /// <summary>Whether a file of a family that has experts or has not has some.</summary>
    public static bool HasExperts(IConfigFields keys) => keys.Count("expert_count", CountLimit) is not null;

    /// <summary>All layers with experts, as a GGUF file says.</summary>
    /// <param name="mayShare">Whether the family has models with a part beside the experts.</param>
    public static ModelConfig WithExperts(this ModelConfig config, IConfigFields keys, RouterKind router, bool mayShare = false)
    {
        const string GateKey = "expert_gating_func";
        const string NormKey = "expert_weights_norm";
        // 1 is softmax, 3 softmax of the chosen; absent is softmax.
        if (keys.Integer(GateKey) is { } gate and not (0 or 1) && (gate != 3 || router != RouterKind.OfChosen))
            throw keys.Unsupported(GateKey, $"is {gate}; only softmax, 1, is supported");
        if (keys.Boolean(NormKey) is { } norm && norm != (router == RouterKind.OfChosen))
            throw keys.Unsupported(NormKey, $"is {(norm ? "true" : "false")}, which is not supported of this architecture");
        var count = keys.RequiredCount("expert_count", CountLimit);
        var experts = new ExpertShape
        {
            Count = count,
            Used = keys.RequiredCount("expert_used_count", count),
            Width = keys.Count("expert_feed_forward_length", ConfigFields.WidthLimit) ?? config.FeedForwardWidth,
            Router = router,
            Scale = (float)(keys.Factor("expert_weights_scale") ?? 1),
        };
        var shared = mayShare ? keys.Count("expert_shared_feed_forward_length", ConfigFields.WidthLimit) : null;
        Refuse(keys, GgufNeutral);
        if (!mayShare)
            keys.RequireNeutral("expert_shared_feed_forward_length", 0);
        return With(config, experts, shared);
    }

    /// <summary>All layers with experts, as a config.json says.</summary>
    /// <param name="names">How the file spells the count of experts, their width, and that of the part beside them if the family has one.</param>
    public static ModelConfig WithExperts(this ModelConfig config, JsonFields fields, (string Count, string Width, string? Shared) names, RouterKind router)
    {
        if (fields.Numbers("mlp_only_layers") is { Length: > 0 })
            throw fields.Unsupported("mlp_only_layers", "names layers without experts, which are not supported");
        var count = fields.RequiredCount(names.Count, CountLimit);
        var experts = new ExpertShape
        {
            Count = count,
            Used = fields.RequiredCount("num_experts_per_tok", count),
            Width = fields.RequiredCount(names.Width, ConfigFields.WidthLimit),
            Router = router,
        };
        Refuse(fields, FolderNeutral);
        return With(config, experts, names.Shared is { } shared ? fields.Count(shared, ConfigFields.WidthLimit) : null);
    }

    private static ModelConfig With(ModelConfig config, ExpertShape experts, int? sharedWidth)
    {
        experts = experts with { HasShared = sharedWidth is not null };
        return config with { FeedForwardWidth = sharedWidth ?? 0, Layers = config.Layers.With(layer => layer with { Experts = experts }) };
    }

    private static void Refuse(IConfigFields keys, (string Key, double[] Neutral)[] others)
    {
        foreach (var (key, neutral) in others)
            keys.RequireNeutral(key, neutral);
    }
}
