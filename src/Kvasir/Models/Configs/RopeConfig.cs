using Kvasir.Files;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Models.Configs;

/// <summary>
/// Rotary position embedding of a model. Dimension pair i of <see cref="Dim"/> / 2 turns by position x <see cref="Base"/>^(-2i / Dim),
/// stretched as <see cref="Scaling"/> says.
/// </summary>
public sealed record RopeConfig
{
    /// <summary>Which elements of a head form pair i, as the rows of the query and key matrices are stored.</summary>
    public required RopeOrder Order { get; init; }

    /// <summary>Elements of a head that rotate: even, at most the head's.</summary>
    public required int Dim { get; init; }

    /// <summary>Positive; 10000 in the first models.</summary>
    public required double Base { get; init; }

    public RopeScaling Scaling { get; init; }

    /// <summary>What frequencies are divided by: positive, 1 without scaling.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>
    /// Tokens of the context before scaling, for <see cref="RopeScaling.Llama3"/>, <see cref="RopeScaling.Yarn"/> and <see cref="LongFrequencyFactors"/>;
    /// otherwise 0.
    /// </summary>
    public int OriginalContextTokens { get; init; }

    /// <summary>Llama 3: wavelengths above OriginalContextTokens / this are divided by the whole factor.</summary>
    public double LowFreqFactor { get; init; } = 1;

    /// <summary>Llama 3: wavelengths below OriginalContextTokens / this are kept.</summary>
    public double HighFreqFactor { get; init; } = 4;

    /// <summary>YaRN: pairs that turn more often than this over the original context are kept.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>YaRN: pairs that turn less often than this over the original context are divided by the whole factor.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>YaRN: whether the ramp between these begins and ends at whole pairs, those next to where they lie.</summary>
    public bool HasWholeRamp { get; init; } = true;

    /// <summary>What cosines and sines are multiplied with: final, so that a YaRN file without one has 0.1 ln(factor) + 1 here.</summary>
    public double AttentionFactor { get; init; } = 1;

    /// <summary>What each pair's frequency is further divided by, [Dim / 2], or null. Llama 3 models in GGUF carry their scaling here.</summary>
    public float[]? FrequencyFactors { get; init; }

    /// <summary>
    /// LongRoPE: the factors of sequences that may come to more than <see cref="OriginalContextTokens"/>, in place of
    /// <see cref="FrequencyFactors"/>; or null.
    /// </summary>
    public float[]? LongFrequencyFactors { get; init; }

    /// <summary>
    /// Whether the rows of a sequence that may come to <paramref name="mostTokens"/> are turned by <see cref="LongFrequencyFactors"/>. All of them are,
    /// or none: keys of one set and queries of the other have no distance.
    /// </summary>
    public bool IsLong(long mostTokens) => LongFrequencyFactors is not null && mostTokens > OriginalContextTokens;

    /// <summary>YaRN's attention factor where a model names none.</summary>
    public static double YarnAttentionFactor(double factor) => factor <= 1 ? 1 : (0.1 * Math.Log(factor)) + 1;

    /// <summary>The native window of a file that states one. Files with YaRN state it before or after stretching: the larger is meant.</summary>
    public int StretchedContext(int statedTokens) => Scaling == RopeScaling.Yarn
        ? (int)Math.Clamp(Factor * OriginalContextTokens, statedTokens, ConfigFields.ContextLimit)
        : statedTokens;
}
