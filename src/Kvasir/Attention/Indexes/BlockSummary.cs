namespace Kvasir.Attention.Indexes;

/// <summary>
/// What is kept of a block of keys to score it by; the ways of Quest (cuboid max) and ArkVale (cuboid mean), between which PSA leaves the choice.
/// </summary>
internal enum BlockSummary
{
    /// <summary>The middle of each element's range, and the mean distance from it.</summary>
    CuboidMean,

    /// <summary>The range of each element: the score is no less than any key's.</summary>
    CuboidMax,

    /// <summary>The mean key.</summary>
    Centroid,
}
