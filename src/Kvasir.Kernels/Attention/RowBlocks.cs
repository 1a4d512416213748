namespace Kvasir.Kernels.Attention;

/// <summary>The blocks that cached rows are stored in.</summary>
internal static class RowBlocks
{
    /// <summary>Elements that rows are stored in multiples of; the last block of a row is filled up with zeros.</summary>
    public const int Elements = 32;

    /// <summary>Blocks in a row of <paramref name="dim"/> elements.</summary>
    public static int Count(int dim) => (dim + Elements - 1) / Elements;

    /// <summary>Blocks of scales that widening needs room for: it works on eight of them, from the last one backwards.</summary>
    public static int ScalesRoom(int blockCount) => blockCount + 7;
}
