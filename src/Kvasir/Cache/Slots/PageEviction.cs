namespace Kvasir;

/// <summary>Which pages leave memory first. The last two are how others place keys and values, to be measured against.</summary>
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
}
