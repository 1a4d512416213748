using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>Where things lie in the scratch of <see cref="TileAttention"/>. A query tile is 32 queries, a group 32 cached rows, a block 32 elements.</summary>
internal readonly unsafe struct TileSpace
{
    /// <summary>Queries of a tile: the lanes of two vectors.</summary>
    public const int Lanes = 32;

    /// <summary>Rows of a group.</summary>
    public const int GroupRows = 32;

    /// <summary>Groups of a panel: its keys, values, scores and weights stay in the second cache level, and mostly in the first.</summary>
    public const int PanelGroups = 16;

    /// <summary>Rows of a panel.</summary>
    public const int PanelRows = PanelGroups * GroupRows;

    private const int GroupScoreBytes = 4 * AmxTiles.Bytes;
    private const int LaneBytes = Lanes * sizeof(float);
    private readonly byte* _start;
    private readonly long _tileBytes;
    private readonly long _panelBytes;
    private readonly long _tileCount;

    public TileSpace(NativeView scratch, int blocks, int tileCount)
    {
        _start = scratch.Start;
        _tileBytes = 4L * blocks * AmxTiles.Bytes;
        _panelBytes = 2L * PanelGroups * blocks * AmxTiles.Bytes;
        _tileCount = tileCount;
        Lengths.RequireAtLeast(scratch.Bytes, Bytes(blocks, tileCount), nameof(scratch));
    }

    /// <summary>[groups, blocks, 2] tiles.</summary>
    public byte* Keys => _start;

    /// <summary>[blocks, groups, 2] tiles.</summary>
    public byte* Values => Keys + _panelBytes;

    /// <summary>Groups of negative infinity, as <see cref="TileStepArguments.Scores"/> wants it.</summary>
    public float* NoScores => (float*)(Values + _panelBytes);

    /// <summary>[groups, 2, 2] tiles.</summary>
    public float* Scores => (float*)((byte*)NoScores + TileStepCode.GroupsUntilMaxima * GroupScoreBytes);

    /// <summary>[groups, 2] tiles.</summary>
    public byte* Weights => (byte*)Scores + PanelGroups * GroupScoreBytes;

    /// <summary>[lanes]</summary>
    public float* Maxima => (float*)(Weights + PanelGroups * GroupScoreBytes / 2);

    /// <summary>[32, blocks * 32] bf16 numbers on their way into a tile.</summary>
    public byte* Rows => (byte*)(Maxima + Lanes);

    /// <summary>Bytes of one of <see cref="Rows"/>.</summary>
    public nint RowBytes => (nint)(_tileBytes / (4 * AmxTiles.Rows));

    private byte* Tiles => Rows + GroupRows * RowBytes;

    public static long Bytes(int blocks, int tileCount)
    {
        var panel = 2L * PanelGroups * blocks * AmxTiles.Bytes;
        var scores = (PanelGroups + TileStepCode.GroupsUntilMaxima) * GroupScoreBytes + PanelGroups * GroupScoreBytes / 2;
        var rows = 2L * blocks * AmxTiles.Bytes;
        return 2 * panel + scores + LaneBytes + rows + tileCount * (8L * blocks * AmxTiles.Bytes + 3 * LaneBytes);
    }

    /// <summary>[blocks, 2, 2] tiles.</summary>
    public byte* Queries(int tile) => Tiles + tile * _tileBytes;

    /// <summary>[blocks, 2, 2] tiles.</summary>
    public float* Outputs(int tile) => (float*)(Tiles + (_tileCount + tile) * _tileBytes);

    /// <summary>[lanes] What scores of the tile are measured from: none is far above. Negative infinity before any row.</summary>
    public float* References(int tile) => (float*)(Tiles + 2 * _tileCount * _tileBytes) + tile * 3 * Lanes;

    /// <summary>[lanes]</summary>
    public float* Masses(int tile) => References(tile) + Lanes;

    /// <summary>[lanes] What scores start from: minus the reference, or 0 where there is none.</summary>
    public float* Shifts(int tile) => References(tile) + 2 * Lanes;
}
