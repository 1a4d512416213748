using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Formats;
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
    private readonly byte** _scales;
    private readonly int _scaleCount;
    private readonly int _scaleBytes;

    /// <param name="start">Of rows that lie one behind the other and have no scales.</param>
    public TileAhead(byte* start) => _start = start;

    private TileAhead(byte** lines, StoredRows rows, (int Count, int Bytes) scales)
    {
        _start = rows.Codes[0];
        _lines = lines;
        _scales = rows.Scales;
        (_scaleCount, _scaleBytes) = scales;
    }

    /// <summary>How many lines the codes of a tile have, at most.</summary>
    public static int LineCount(int rowCount, int rowBytes) => (rowCount * rowBytes + CacheLines.Bytes - 1) / CacheLines.Bytes;

    /// <summary>Rows that lie one behind the other, and so do their scales.</summary>
    public static TileAhead Range(StoredRows rows, int rowCount, in RowLayout layout) =>
        new(null, rows, layout.HasScales ? (1, rowCount * layout.ScaleStride) : (0, 0));

    /// <summary>Rows that lie anywhere.</summary>
    /// <param name="lines">Room for <see cref="LineCount"/>.</param>
    public static TileAhead List(StoredRows rows, int rowCount, in RowLayout layout, byte** lines)
    {
        var line = lines;
        var at = 0;
        var row = rows.Codes;
        for (var end = row + rowCount; row < end; row++, at -= layout.Stride)
        {
            for (; at < layout.Stride; at += CacheLines.Bytes)
                *line++ = *row + at;
        }

        return new TileAhead(lines, rows, layout.HasScales ? (rowCount, layout.ScaleBytes) : (0, 0));
    }

    /// <summary>Asks for the scales of the tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void AskScales()
    {
        for (var i = 0; i < _scaleCount; i++)
            CacheLines.PrefetchAll(_scales[i], _scaleBytes);
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
