namespace Kvasir.Kernels.Elementwise;

/// <summary>Which two elements of a head rotate together.</summary>
public enum RopeOrder
{
    /// <summary>Neighbours: (x0, x1), (x2, x3), ...</summary>
    Interleaved,

    /// <summary>One of each half: (x0, x[d/2]), (x1, x[d/2 + 1]), ...</summary>
    Halves,
}
