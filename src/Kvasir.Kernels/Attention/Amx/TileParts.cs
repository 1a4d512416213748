namespace Kvasir.Kernels.Attention.Amx;

/// <summary>What a step does. Three tiles of queries pass through it one behind the other.</summary>
[Flags]
internal enum TileParts
{
    /// <summary>Scores of the last of them.</summary>
    Scores = 1,

    /// <summary>Weights of the middle one.</summary>
    Weights = 2,

    /// <summary>Outputs of the first.</summary>
    Values = 4,
}
