namespace Kvasir;

/// <summary>Which pages leave memory first. From <see cref="FlexGen"/> on they are how others place keys and values.</summary>
public enum PageEviction
{
    /// <summary>Those that were used in the fewest steps, older ones counting less; what is no better than they are does not stay.</summary>
    Counted,

    /// <summary>Those that were not used for the longest time (PSA's pool).</summary>
    Lru,

    /// <summary>
    /// Those that the last turn of their layer has not used, then those of the layer whose next turn is farthest; of equal ones those that were not used for
    /// the longest time. Half of what a layer uses stays.
    /// </summary>
    LayerLru,

    /// <summary>
    /// All but a share that is fixed by what memory holds, as soon as they were read (FlexGen, arXiv 2303.06865: attention where the rows are, percentages
    /// that do not follow what is used).
    /// </summary>
    FlexGen,

    /// <summary>All, as soon as they were read: every step reads everything from file (DeepSpeed ZeRO-Inference's offload of the KV cache).</summary>
    ZeroInference,

    /// <summary>
    /// Those of whole sequences: all pages of those that compute stay, and who finds no memory waits until others have ended, with its pages on file (vLLM's
    /// swapping, arXiv 2309.06180).
    /// </summary>
    Vllm,

    /// <summary>
    /// The oldest of each sequence, by how many rows it has: its newest stay, and copies of those before them that its policy goes on reading (ALISA, arXiv
    /// 2403.17312, whose policy is meant for it).
    /// </summary>
    Alisa,
}
