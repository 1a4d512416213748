using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Models.Readers;

/// <summary>Reads a <see cref="RopeConfig"/> from GGUF metadata and the tensor of frequency factors.</summary>
internal static class GgufRopeConfig
{
    private const double DefaultBase = 10000;
    private static readonly string[] YarnKeys = ["yarn_ext_factor", "yarn_attn_factor", "yarn_log_multiplier", "yarn_beta_fast", "yarn_beta_slow"];

    public static RopeConfig Read(GgufKeys fields, ModelFamily family, int headDim, int contextTokens)
    {
        var dim = fields.Count("rope.dimension_count", ConfigFields.HeadDimLimit) ?? headDim;
        var (scaling, factor) = ReadScaling(fields);
        var isYarn = scaling == RopeScaling.Yarn;
        if (!isYarn)
            PassOverYarn(fields);
        // The file's attention factor comes on top of YaRN's own.
        var attentionFactor = (fields.Factor("rope.scaling.attn_factor") ?? 1) * (isYarn ? RopeConfig.YarnAttentionFactor(factor) : 1);
        var rope = family.RopeFromGguf(fields, new RopeConfig
        {
            Order = family.GgufOrder,
            Dim = dim,
            Base = fields.RopeBase("rope.freq_base") ?? DefaultBase,
            Scaling = scaling,
            Factor = factor,
            OriginalContextTokens = isYarn ? fields.Count("rope.scaling.original_context_length", ConfigFields.ContextLimit) ?? contextTokens : 0,
            BetaFast = (isYarn ? fields.Factor("rope.scaling.yarn_beta_fast") : null) ?? 32,
            BetaSlow = (isYarn ? fields.Factor("rope.scaling.yarn_beta_slow") : null) ?? 1,
            AttentionFactor = attentionFactor,
            FrequencyFactors = ReadFrequencyFactors(fields.File, TensorNames.RopeFactors, dim),
        });
        if (isYarn)
            RequireUsualYarn(fields);
        return rope.Scaling == RopeScaling.None || rope.Scaling == RopeScaling.Linear ? WithLongFactors(fields, rope, contextTokens) : rope;
    }

    // Two sets of factors, of which a sequence takes one for all of its rows.
    private static RopeConfig WithLongFactors(GgufKeys fields, RopeConfig rope, int contextTokens)
    {
        var near = ReadFrequencyFactors(fields.File, TensorNames.ShortRopeFactors, rope.Dim);
        var far = ReadFrequencyFactors(fields.File, TensorNames.LongRopeFactors, rope.Dim);
        if (near is null || far is null)
        {
            return fields.String("rope.scaling.type") != "longrope"
                ? rope
                : throw fields.Bad(
                    "rope.scaling.type", $"is 'longrope', and there are no tensors '{TensorNames.ShortRopeFactors}' and '{TensorNames.LongRopeFactors}'");
        }

        return rope with
        {
            FrequencyFactors = near,
            LongFrequencyFactors = far,
            OriginalContextTokens = fields.Count("rope.scaling.original_context_length", ConfigFields.ContextLimit) ?? contextTokens,
        };
    }

    // -1 is how the settings of the reference say that they are not set.
    private static void RequireUsualYarn(GgufKeys fields)
    {
        fields.RequireNeutral("rope.scaling.yarn_ext_factor", 1, -1);
        fields.RequireNeutral("rope.scaling.yarn_attn_factor", 1, -1);
        if (!fields.IsRead("rope.scaling.yarn_log_multiplier"))
            fields.RequireNeutral("rope.scaling.yarn_log_multiplier", 0);
    }

    private static void PassOverYarn(GgufKeys fields)
    {
        foreach (var name in YarnKeys)
        {
            if (fields.Contains($"rope.scaling.{name}"))
                fields.Notes.Add(fields.Bad($"rope.scaling.{name}", "has no effect without YaRN").Message);
        }
    }

    private static (RopeScaling Scaling, double Factor) ReadScaling(GgufKeys fields)
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
            // Its factors are tensors, and say everything.
            "longrope" => (RopeScaling.None, 1),
            _ => throw fields.Unsupported(key, $"is {MessageText.Name(type)}; supported are none, linear, yarn, longrope"),
        };
    }

    private static float[]? ReadFrequencyFactors(Gguf file, string name, int dim)
    {
        if (!((ITensorSource)file).TryFind(name, out var stored))
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
