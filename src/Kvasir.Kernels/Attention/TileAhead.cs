using System.Runtime.CompilerServices;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// A tile of rows that will be wanted soon. Memory is asked for a few lines at a time, between multiplications: of more lines at once than the second cache
/// level can have under way, the rest holds up everything behind it.
/// </summary>
internal readonly unsafe struct TileAhead
{
    private readonly byte* _start;
    private readonly byte** _lines;

    /// <param name="start">Of rows that lie one behind the other.</param>
    public TileAhead(byte* start) => _start = start;

    private TileAhead(byte** lines) => _lines = lines;

    /// <summary>How many lines a tile has, at most.</summary>
    public static int LineCount(int rowCount, int rowBytes) => (rowCount * rowBytes + CacheLines.Bytes - 1) / CacheLines.Bytes;

    /// <summary>Rows that lie anywhere.</summary>
    /// <param name="rows">Their addresses.</param>
    /// <param name="lines">Room for <see cref="LineCount"/>.</param>
    public static TileAhead Of(byte** rows, int rowCount, int rowBytes, byte** lines)
    {
        var line = lines;
        var at = 0;
        for (var end = rows + rowCount; rows < end; rows++, at -= rowBytes)
        {
            for (; at < rowBytes; at += CacheLines.Bytes)
                *line++ = *rows + at;
        }

        return new TileAhead(lines);
    }

    /// <summary>Asks for a part of the tile, as if its rows lay one behind the other.</summary>
    /// <param name="bytes">A constant, so that this unrolls: 16 or more, and 64 or more from the beginning of a line.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Ask(nint at, int bytes)
    {
        if (_lines == null)
        {
            CacheLines.Prefetch(_start + at, bytes);
            return;
        }

        var line = _lines + at / CacheLines.Bytes;
        CacheLines.Prefetch(*line);
        if (bytes >= 2 * CacheLines.Bytes)
            CacheLines.Prefetch(line[1]);
        if (bytes < 4 * CacheLines.Bytes)
            return;
        CacheLines.Prefetch(line[2]);
        CacheLines.Prefetch(line[3]);
    }
}
