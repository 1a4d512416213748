namespace Kvasir;

/// <summary>How a <see cref="Model"/> is loaded.</summary>
public sealed record ModelOptions
{
    /// <summary>
    /// Whether quantised matrices are copied into the order in which this machine's kernels read them fastest (Q4_0, Q8_0, Q4_K, Q6_K, MXFP4, IQ4_NL,
    /// IQ4_XS, on processors with AVX512-VNNI or AVX2 and F16C; elsewhere nothing is copied). Takes about as many bytes as the file, whose pages are given back
    /// meanwhile; matrices that do not fit into the available memory stay where they are. Off, weights are read from the mapped file, which several
    /// processes can share.
    /// </summary>
    public bool Repack { get; init; } = true;

    /// <summary>
    /// Elements in which a head's values are kept, by the best approximation of the weights that there is (LoRC): the KV cache is as much smaller as values
    /// are narrower, keys stay whole, and some of what the model knows is lost. Rows are stored in blocks of 32 elements. 0 for all that a head has.
    /// </summary>
    public int KvRank { get; init; }

    /// <summary>
    /// Whether there are weights in 4 bits beside the model's own, by which tokens are guessed (<see cref="GenerationOptions.SpeculativeTokens"/>): half as
    /// many bytes more as Q8_0 has. They take as long to make as a copy of the weights, and cannot be had with <see cref="KvRank"/>.
    /// </summary>
    public bool DraftWeights { get; init; }

    /// <summary>
    /// The most that weights may take of memory; 0 for all that they are. Layers beyond it are read from the file, past the page cache, whenever a step comes
    /// to them, while the one before is computed: a step takes as long as the file takes to deliver them, however many sequences it has. They are not repacked.
    /// Of a model with experts all but these stays; of the experts of each layer those that are chosen most, and the others are read when a step chooses them.
    /// Not with <see cref="KvRank"/> or <see cref="DraftWeights"/>.
    /// </summary>
    public long MemoryBytes { get; init; }

    /// <summary>Told, on the thread that loads, what share of the weights is where it will be read: from 0 to 1. Null for nobody.</summary>
    public Action<double>? Progress { get; init; }
}
