using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>What an assembled kernel is called with: one panel of weights, one tile of activations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PanelArguments
{
    /// <summary>Where the panel begins.</summary>
    public byte* Weights;

    public byte* Activations;

    /// <summary>At least 1.</summary>
    public long Blocks;

    public float* Results;
    public long ResultStrideBytes;

    /// <summary>A bit for each of the thirty-two rows whose result is wanted.</summary>
    public long LaneMask;
}
