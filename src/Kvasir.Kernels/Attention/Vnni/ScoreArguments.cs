using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>What the kernel of <see cref="ScoreCode"/> is called with.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ScoreArguments
{
    /// <summary>Addresses of the codes of 32 rows for every turn.</summary>
    public byte** Rows;

    /// <summary>Addresses of codes to ask for: one for every block of every turn.</summary>
    public byte** Ahead;

    /// <summary>Addresses of scales to ask for: as many.</summary>
    public byte** ScalesAhead;

    /// <summary>From one of those addresses to the next that is used; 0 repeats the first.</summary>
    public long AheadStepBytes;

    /// <summary>From <see cref="QuantizedQueries"/>.</summary>
    public byte* Queries;

    /// <summary>[block, 64]: from <see cref="RowScales"/>.</summary>
    public float* Scales;

    /// <summary>Scratch of [4, 32] floats.</summary>
    public float* Sums;

    /// <summary>The first score of the first query.</summary>
    public float* Scores;

    public long ScoreStrideBytes;

    /// <summary>At least 1.</summary>
    public long Blocks;

    /// <summary>1 or 2.</summary>
    public long Turns;
}
