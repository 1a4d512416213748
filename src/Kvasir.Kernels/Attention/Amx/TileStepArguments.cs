using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>
/// What a kernel of <see cref="TileStepCode"/> is called with. A group is 32 cached rows, a block 32 elements; lanes are 32 queries in two
/// halves.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileStepArguments
{
    /// <summary>Groups of rows; at least 1.</summary>
    public long Groups;

    /// <summary>[groups, blocks, 2] tiles: 16 keys x 32 elements.</summary>
    public byte* Keys;

    /// <summary>[blocks, 2, 2] tiles of the queries to score: first their upper parts, then what rounding left, 32 elements x 16 lanes.</summary>
    public byte* Queries;

    /// <summary>[lanes] What the scores start from.</summary>
    public float* Shifts;

    /// <summary>
    /// [groups, 2, 2] tiles: 16 rows x 16 lanes. Those of a tile of queries, overwritten with those of the next one. Groups of negative
    /// infinity stand before.
    /// </summary>
    public float* Scores;

    /// <summary>[lanes] The largest of the new scores.</summary>
    public float* Maxima;

    /// <summary>[groups, 2] tiles, 32 rows x 16 lanes: scratch.</summary>
    public byte* Weights;

    /// <summary>[lanes] Sums of weights: added to.</summary>
    public float* Masses;

    /// <summary>[blocks, groups, 2] tiles: 16 elements x 32 rows.</summary>
    public byte* Values;

    /// <summary>[blocks, 2, 2] tiles, 16 elements x 16 lanes: added to.</summary>
    public float* Outputs;

    /// <summary>The control word under which the kernel computes, and the caller's.</summary>
    public uint Mode;

    public uint CallersMode;
}
