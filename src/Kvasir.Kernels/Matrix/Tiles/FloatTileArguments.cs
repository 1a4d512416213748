using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>What the kernel of <see cref="FloatTileCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FloatTileArguments
{
    /// <summary>[columns] vectors: the first sixteen rows of weights.</summary>
    public float* First;

    /// <summary>[columns] vectors: the other sixteen.</summary>
    public float* Second;

    /// <summary>The first row of activations, at the panel's first column.</summary>
    public float* Activations;

    public long ActivationStrideBytes;

    /// <summary>At least 1.</summary>
    public long Columns;

    public float* Results;
    public long ResultStrideBytes;

    /// <summary>0 overwrites the results, anything else adds to them.</summary>
    public long Adds;
}
