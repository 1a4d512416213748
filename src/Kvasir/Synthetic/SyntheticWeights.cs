namespace Kvasir.Synthetic;

/// <summary>How the matrices of a synthetic model are stored: the mixes that llama.cpp's quantiser writes under these names.</summary>
public enum SyntheticWeights
{
    /// <summary>Q4_0, and Q6_K for the matrix that gives the logits.</summary>
    Q4_0,

    /// <summary>Q8_0 throughout.</summary>
    Q8_0,

    /// <summary>Q4_K; Q6_K for the logits and, in half of the layers, for values and the feed-forward's way down.</summary>
    Q4_K_M,

    /// <summary>BF16 throughout.</summary>
    BF16,
}
