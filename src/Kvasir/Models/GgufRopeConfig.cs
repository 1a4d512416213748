using Kvasir.Kernels.Elementwise;

namespace Kvasir.Models;

/// <summary>Reads a <see cref="RopeConfig"/> from GGUF metadata and the tensor of frequency factors.</summary>
internal static class GgufRopeConfig
{
    private const double DefaultBase = 10000;

    public static RopeConfig Read(Gguf file, string architecture, int headDim, int contextTokens)
    {
        IConfigFields fields = file.Metadata;
        var prefix = $"{architecture}.rope.";
        fields.RequireNeutral($"{prefix}scaling.yarn_ext_factor", 1);
        fields.RequireNeutral($"{prefix}scaling.yarn_attn_factor", 1);
        fields.RequireNeutral($"{prefix}scaling.yarn_log_multiplier", 0);
        var dim = fields.Count($"{prefix}dimension_count", ConfigFields.HeadDimLimit) ?? headDim;
        var (scaling, factor) = ReadScaling(fields, prefix);
        var isYarn = scaling == RopeScaling.Yarn;

        // The file's attention factor comes on top of YaRN's own.
        var attentionFactor = (fields.Factor($"{prefix}scaling.attn_factor") ?? 1) * (isYarn ? RopeConfig.YarnAttentionFactor(factor) : 1);
        return new RopeConfig
        {
            // Only this architecture's query and key rows were permuted when the file was made.
            Order = architecture == "llama" ? RopeOrder.Interleaved : RopeOrder.Halves,
            Dim = dim,
            Base = fields.RopeBase($"{prefix}freq_base") ?? DefaultBase,
            Scaling = scaling,
            Factor = factor,
            OriginalContextTokens = isYarn ? fields.Count($"{prefix}scaling.original_context_length", ConfigFields.ContextLimit) ?? contextTokens : 0,
            BetaFast = fields.Factor($"{prefix}scaling.yarn_beta_fast") ?? 32,
            BetaSlow = fields.Factor($"{prefix}scaling.yarn_beta_slow") ?? 1,
            AttentionFactor = attentionFactor,
            FrequencyFactors = ReadFrequencyFactors(file, dim),
        };
    }

    private static (RopeScaling Scaling, double Factor) ReadScaling(IConfigFields fields, string prefix)
    {
        var key = $"{prefix}scaling.type";
        var type = fields.String(key) ?? "linear";
        var factorKey = fields.Contains($"{prefix}scaling.factor") ? $"{prefix}scaling.factor" : $"{prefix}scale_linear";

        // A factor of 0 means that none was given.
        var factor = fields.Number(factorKey) is null or 0 ? 1 : fields.Factor(factorKey)!.Value;
        return type switch
        {
            "none" => (RopeScaling.None, 1),
            "linear" => factor == 1 ? (RopeScaling.None, 1) : (RopeScaling.Linear, factor),
            "yarn" => (RopeScaling.Yarn, factor),
            _ => throw fields.Unsupported(key, $"is {Shown.Name(type)}; supported are none, linear, yarn"),
        };
    }

    private static float[]? ReadFrequencyFactors(Gguf file, int dim)
    {
        if (!((ITensorSource)file).TryFind(TensorNames.RopeFactors, out var stored))
            return null;
        var factors = StoredVector.Decode(stored, dim / 2);
        foreach (var factor in factors)
        {
            if (factor <= 0)
                throw new KvasirException(KvasirError.BadFile, $"{stored.File}: tensor {Shown.Name(stored.Name)} holds {factor}; frequency factors are above 0");
        }

        return factors;
    }
}
