using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Matrix.Amx;

/// <summary>What a kernel of <see cref="AmxCode"/> is called with: thirty-two rows of weights, and groups of rows of activations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct AmxArguments
{
    /// <summary>[steps, 2, 16, 32] bf16 numbers: see <see cref="Bf16Pairs"/>.</summary>
    public byte* Weights;

    /// <summary>The first group of activations, at the first column of the weights: see <see cref="AmxActivations"/>.</summary>
    public byte* Activations;

    public long GroupBytes;

    /// <summary>Columns / 32; at least 1.</summary>
    public long Steps;

    /// <summary>At least 1.</summary>
    public long Groups;

    /// <summary>What the products are added to, a row for each of the activations; null for zeros.</summary>
    public float* Sums;
    public long SumStrideBytes;

    public float* Results;
    public long ResultStrideBytes;
}
