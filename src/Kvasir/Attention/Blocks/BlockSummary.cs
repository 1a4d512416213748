namespace Kvasir.Attention.Blocks;

/// <summary>What is kept of a block of keys to score it by; see psa.md's sources: Quest (cuboid max), ArkVale (cuboid mean).</summary>
internal enum BlockSummary
{
    /// <summary>The middle of each element's range, and the mean distance from it.</summary>
    CuboidMean,

    /// <summary>The range of each element: the score is no less than any key's.</summary>
    CuboidMax,

    /// <summary>The mean key.</summary>
    Centroid,
}
