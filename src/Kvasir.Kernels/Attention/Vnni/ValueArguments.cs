using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>What the kernel of <see cref="ValueCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ValueArguments
{
    /// <summary>Addresses of the codes of 16 rows for every turn.</summary>
    public byte** Rows;

    /// <summary>Addresses of codes to ask for: one for every turn of every block.</summary>
    public byte** Ahead;

    /// <summary>Addresses of scales to ask for: as many.</summary>
    public byte** ScalesAhead;

    /// <summary>From one of those addresses to the next that is used; 0 repeats the first.</summary>
    public long AheadStepBytes;

    /// <summary>From <see cref="QuantizedWeights"/>.</summary>
    public byte* Weights;

    /// <summary>[4]: what a unit of each query's weights is worth.</summary>
    public float* Units;

    /// <summary>The order of bytes that brings two blocks, one behind the other, into pairs: 64 bytes.</summary>
    public byte* PairOrder;

    /// <summary>The first element of the first query's sums; added to.</summary>
    public float* Outputs;

    public long OutputStrideBytes;

    /// <summary>At least 1.</summary>
    public long Blocks;

    /// <summary>1 to 4.</summary>
    public long Turns;
}
