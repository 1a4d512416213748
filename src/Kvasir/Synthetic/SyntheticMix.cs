using Kvasir.Kernels.Matrix;
using Kvasir.Models.Configs;

namespace Kvasir.Synthetic;

/// <summary>Which matrices of a synthetic model are stored how: the choices of llama.cpp's quantiser.</summary>
internal sealed class SyntheticMix(SyntheticWeights weights, ModelConfig config)
{
    /// <summary>Of matrices without a rule of their own.</summary>
    public WeightType Plain { get; } = weights switch
    {
        SyntheticWeights.Q4_0 => WeightType.Q4_0,
        SyntheticWeights.Q8_0 => WeightType.Q8_0,
        SyntheticWeights.Q4_K_M => WeightType.Q4_K,
        _ => WeightType.BF16,
    };

    /// <summary>Of the matrix that gives the logits: errors there are seen at once, so 4-bit mixes spend 6 bits.</summary>
    public WeightType Logits => weights is SyntheticWeights.Q4_0 or SyntheticWeights.Q4_K_M ? WeightType.Q6_K : Plain;

    public WeightType Embedding => config.TiedEmbedding ? Logits : Plain;

    /// <summary>
    /// Of a layer's values and of its feed-forward's way down: Q4_K_M spends 6 bits on the first and last eighth of the layers and every third between.
    /// </summary>
    public WeightType ValueOrDown(int layer)
    {
        var eighth = config.LayerCount / 8;
        var spendsMore = layer < eighth || layer >= 7 * config.LayerCount / 8 || (layer - eighth) % 3 == 2;
        return weights == SyntheticWeights.Q4_K_M && spendsMore ? WeightType.Q6_K : Plain;
    }
}
