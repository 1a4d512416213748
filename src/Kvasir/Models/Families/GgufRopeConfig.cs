using Kvasir.Files;
using Kvasir.Kernels.Elementwise;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Families;

/// <summary>Reads a <see cref="RopeConfig"/> from GGUF metadata and the tensor of frequency factors.</summary>
internal static class GgufRopeConfig
{
    private const double DefaultBase = 10000;
    private static readonly string[] YarnKeys = ["yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier", "yarn_beta_fast", "yarn_beta_slow"];

    public static RopeConfig Read(GgufKeys fields, RopeOrder order, int headDim, int contextTokens)
    {
        var dim = fields.Count("rope.dimension_count", ConfigFields.HeadDimLimit) ?? headDim;
        var (scaling, factor) = ReadScaling(fields);
        var isYarn = scaling == RopeScaling.Yarn;
        if (isYarn)
            RequireUsualYarn(fields);
        else
            PassOverYarn(fields);

        // The file's attention factor comes on top of YaRN's own.
        var attentionFactor = (fields.Factor("rope.scaling.attn_factor") ?? 1) * (isYarn ? RopeConfig.YarnAttentionFactor(factor) : 1);
        return new RopeConfig
        {
            Order = order,
            Dim = dim,
            Base = fields.RopeBase("rope.freq_base") ?? DefaultBase,
            Scaling = scaling,
            Factor = factor,
            OriginalContextTokens = isYarn ? fields.Count("rope.scaling.original_context_length", ConfigFields.ContextLimit) ?? contextTokens : 0,
            BetaFast = (isYarn ? fields.Factor("rope.scaling.yarn_beta_fast") : null) ?? 32,
            BetaSlow = (isYarn ? fields.Factor("rope.scaling.yarn_beta_slow") : null) ?? 1,
            AttentionFactor = attentionFactor,
            FrequencyFactors = ReadFrequencyFactors(fields.File, dim),
        };
    }

    // -1 is how the settings of the reference say that they are not set.
    private static void RequireUsualYarn(IConfigFields fields)
    {
        fields.RequireNeutral("rope.scaling.yarn_ext_factor", 1, -1);
        fields.RequireNeutral("rope.scaling.yarn_attn_factor", 1, -1);
        fields.RequireNeutral("rope.scaling.yarn_log_multiplier", 0);
    }

    private static void PassOverYarn(IConfigFields fields)
    {
        foreach (var name in YarnKeys)
        {
            if (fields.Contains($"rope.scaling.{name}"))
                fields.Notes.Add(fields.Bad($"rope.scaling.{name}", "has no effect without YaRN").Message);
        }
    }

    private static (RopeScaling Scaling, double Factor) ReadScaling(IConfigFields fields)
    {
        var key = "rope.scaling.type";
        var type = fields.String(key) is { Length: > 0 } named ? named : "linear";
        var factorKey = fields.Contains("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";

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
