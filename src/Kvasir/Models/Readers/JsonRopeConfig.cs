using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Reads a <see cref="RopeConfig"/> from a config.json: rope_theta and rope_scaling, or rope_parameters, which newer files have for both.</summary>
internal static class JsonRopeConfig
{
    private const double DefaultBase = 10000;
    private const string ParametersKey = "rope_parameters";

    // In the place of a pair that does not turn: what GGUF files have, and not infinity, so that both containers say the same.
    private const float Still = 1e30f;
    private const string Supported = "supported are default, linear, llama3, yarn, longrope, proportional";

    public static RopeConfig Read(JsonFields fields, ModelFamily family, int headDim, int contextTokens)
    {
        var parameters = fields.Object(ParametersKey);
        if (family.WindowRope is not null && parameters?.Object("full_attention") is { } full)
            parameters = full;
        if (parameters?.ObjectKeys().FirstOrDefault() is { } nested)
            throw parameters.Unsupported(nested, "sets rotary positions for some layers only, which is not supported");
        var scaling = parameters ?? fields.Object("rope_scaling");
        var plain = new RopeConfig
        {
            Order = family.FolderOrder,
            Dim = ReadDim(fields, scaling, family, headDim),
            Base = parameters?.RopeBase("rope_theta") ?? fields.RopeBase("rope_theta") ?? family.FolderDefaults.GetValueOrDefault("rope_theta", DefaultBase),
        };
        if (scaling is null)
            return plain;
        var typeKey = scaling.Contains("rope_type") ? "rope_type" : "type";
        return scaling.String(typeKey) switch
        {
            null or "" or "none" or "default" => plain,
            "proportional" => Proportional(plain, scaling.Factor("partial_rotary_factor") ?? 1),
            "linear" => plain with { Scaling = RopeScaling.Linear, Factor = scaling.RequiredFactor("factor") },
            "llama3" => ReadLlama3(scaling, plain),
            "yarn" => ReadYarn(scaling, plain, contextTokens),
            "longrope" or "su" => ReadLong(fields, scaling, plain, contextTokens),
            // A dynamic scaling whose factor is given: once for all, and not for each length.
            "dynamic" when scaling.Factor("alpha") is { } alpha => plain with { Base = plain.Base * Math.Pow(alpha, plain.Dim / (plain.Dim - 2.0)) },
            var other => throw scaling.Unsupported(typeKey, $"is {MessageText.Name(other)}; {Supported}"),
        };
    }

    /// <summary>The first pairs turn, as if all did, and the others stand.</summary>
    /// <param name="share">Of the pairs, that turn.</param>
    public static RopeConfig Proportional(RopeConfig plain, double share)
    {
        var factors = new float[plain.Dim / 2];
        factors.AsSpan().Fill(1);
        factors.AsSpan(Math.Min(factors.Length, (int)(share * factors.Length))).Fill(Still);
        return plain with { FrequencyFactors = factors };
    }

    /// <summary>Holds what a file says of layers with a window, where it tells them from others, against how they will be rotated.</summary>
    public static void RequireInWindows(JsonFields fields, RopeConfig rope)
    {
        if (fields.Object(ParametersKey)?.Object("sliding_attention") is not { } own)
            return;
        own.RequireNeutral("rope_theta", rope.Base);
        if (rope.Scaling == RopeScaling.None && own.String("rope_type") is { } type and not ("default" or "none" or ""))
            throw own.Unsupported("rope_type", $"is {MessageText.Name(type)}; only default is supported in layers with a window");
        own.RequireNeutral("partial_rotary_factor", 1);
    }

    private static int ReadDim(JsonFields fields, JsonFields? scaling, ModelFamily family, int headDim)
    {
        if (scaling?.String("rope_type") == "proportional")
            return headDim;
        if (family.RotaryShare is not { } usual)
        {
            fields.RequireNeutral("partial_rotary_factor", 1);
            scaling?.RequireNeutral("partial_rotary_factor", 1);
            return headDim;
        }

        return (int)(headDim * (scaling?.Factor("partial_rotary_factor") ?? fields.Factor("partial_rotary_factor") ?? usual));
    }

    private static RopeConfig ReadLong(JsonFields fields, JsonFields scaling, RopeConfig plain, int contextTokens)
    {
        const string OriginalKey = "original_max_position_embeddings";
        var original = fields.Count(OriginalKey, ConfigFields.ContextLimit) ?? scaling.Count(OriginalKey, ConfigFields.ContextLimit) ?? contextTokens;
        var stretched = scaling.Factor("factor") ?? (double)contextTokens / original;
        return plain with
        {
            FrequencyFactors = ReadFactors(scaling, "short_factor", plain.Dim),
            LongFrequencyFactors = ReadFactors(scaling, "long_factor", plain.Dim),
            OriginalContextTokens = original,
            AttentionFactor = scaling.Factor("attention_factor") ?? (stretched <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(stretched) / Math.Log(original)))),
        };
    }

    private static float[] ReadFactors(JsonFields scaling, string key, int dim)
    {
        var factors = scaling.Numbers(key) ?? throw scaling.Missing(key);
        if (factors.Length != dim / 2 || Array.Exists(factors, static factor => factor <= 0))
            throw scaling.Bad(key, $"holds {factors.Length} factors; {dim / 2} above 0 are expected, one for each pair that rotates");
        return Array.ConvertAll(factors, static factor => (float)factor);
    }

    private static RopeConfig ReadLlama3(JsonFields fields, RopeConfig plain)
    {
        var (low, high) = (fields.RequiredFactor("low_freq_factor"), fields.RequiredFactor("high_freq_factor"));
        if (high <= low)
            throw fields.Bad("high_freq_factor", $"is {high}; it must be above the low_freq_factor {low}");
        return plain with
        {
            Scaling = RopeScaling.Llama3,
            Factor = fields.RequiredFactor("factor"),
            LowFreqFactor = low,
            HighFreqFactor = high,
            OriginalContextTokens = fields.RequiredCount("original_max_position_embeddings", ConfigFields.ContextLimit),
        };
    }

    private static RopeConfig ReadYarn(JsonFields fields, RopeConfig plain, int contextTokens)
    {
        var factor = fields.RequiredFactor("factor");
        return plain with
        {
            Scaling = RopeScaling.Yarn,
            Factor = factor,
            OriginalContextTokens = fields.Count("original_max_position_embeddings", ConfigFields.ContextLimit) ?? contextTokens,
            BetaFast = fields.Factor("beta_fast") ?? 32,
            BetaSlow = fields.Factor("beta_slow") ?? 1,
            HasWholeRamp = fields.Boolean("truncate") ?? true,
            AttentionFactor = fields.Factor("attention_factor") ?? DefaultAttentionFactor(fields, factor),
        };
    }

    // With both mscale keys, their ratio counts; alone, neither does.
    private static double DefaultAttentionFactor(JsonFields fields, double factor)
    {
        if (fields.Number("mscale") is not { } all || fields.Number("mscale_all_dim") is not { } one || all == 0 || one == 0)
            return RopeConfig.YarnAttentionFactor(factor);
        var ratio = factor <= 1 ? 1 : ((0.1 * all * Math.Log(factor)) + 1) / ((0.1 * one * Math.Log(factor)) + 1);
        return double.IsFinite(ratio) && ratio > 0 ? ratio : throw fields.Bad("mscale", $"is {all} with mscale_all_dim {one}, which gives no attention factor");
    }
}
