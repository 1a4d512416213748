using Kvasir.Files;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Models.Configs;

/// <summary>Reads a <see cref="RopeConfig"/> from GGUF metadata and the tensor of frequency factors.</summary>
internal static class GgufRopeConfig
{
    private const double DefaultBase = 10000;
    private static readonly string[] YarnKeys = ["yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier", "yarn_beta_fast", "yarn_beta_slow"];

    public static RopeConfig Read(Gguf file, string architecture, int headDim, int contextTokens)
    {
        IConfigFields fields = file.Metadata;
        var prefix = $"{architecture}.rope.";
        var dim = fields.Count($"{prefix}dimension_count", ConfigFields.HeadDimLimit) ?? headDim;
        var (scaling, factor) = ReadScaling(fields, prefix);
        var isYarn = scaling == RopeScaling.Yarn;
        if (isYarn)
            RequireUsualYarn(fields, prefix);
        else
            PassOverYarn(fields, prefix);

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
            BetaFast = (isYarn ? fields.Factor($"{prefix}scaling.yarn_beta_fast") : null) ?? 32,
            BetaSlow = (isYarn ? fields.Factor($"{prefix}scaling.yarn_beta_slow") : null) ?? 1,
            AttentionFactor = attentionFactor,
            FrequencyFactors = ReadFrequencyFactors(file, dim),
        };
    }

    // -1 is how the settings of the reference say that they are not set.
    private static void RequireUsualYarn(IConfigFields fields, string prefix)
    {
        fields.RequireNeutral($"{prefix}scaling.yarn_ext_factor", 1, -1);
        fields.RequireNeutral($"{prefix}scaling.yarn_attn_factor", 1, -1);
        fields.RequireNeutral($"{prefix}scaling.yarn_log_multiplier", 0);
    }

    private static void PassOverYarn(IConfigFields fields, string prefix)
    {
        foreach (var name in YarnKeys)
        {
            if (fields.Contains($"{prefix}scaling.{name}"))
                fields.Notes.Add(fields.Bad($"{prefix}scaling.{name}", "has no effect without YaRN").Message);
        }
    }

    private static (RopeScaling Scaling, double Factor) ReadScaling(IConfigFields fields, string prefix)
    {
        var key = $"{prefix}scaling.type";
        var type = fields.String(key) is { Length: > 0 } named ? named : "linear";
        var factorKey = fields.Contains($"{prefix}scaling.factor") ? $"{prefix}scaling.factor" : $"{prefix}scale_linear";

        var factor = fields.Factor(factorKey) ?? 1;
        return type switch
        {
            "none" or "default" => (RopeScaling.None, 1),
            "linear" => factor == 1 ? (RopeScaling.None, 1) : (RopeScaling.Linear, factor),
            "yarn" => (RopeScaling.Yarn, factor),
            _ => throw fields.Unsupported(key, $"is {MessageText.Name(type)}; supported are none, linear, yarn"),
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
                throw new KvasirException(
                    KvasirError.BadFile, $"{stored.File}: tensor {MessageText.Name(stored.Name)} holds {factor}; frequency factors are above 0");
        }

        return factors;
    }
}
