namespace Kvasir.Kernels.Attention.Amx;

/// <summary>What a step does.</summary>
[Flags]
internal enum TileParts
{
    /// <summary>The scores of the next tile of queries.</summary>
    Scores = 1,

    /// <summary>From the scores of a tile its weights, and from those its outputs.</summary>
    Outputs = 2,
}
