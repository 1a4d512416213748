using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Scores of few queries. A lane is a row: a tile of as many rows as there are lanes is transposed on its way into registers and meets
/// four queries at a time, so that there are no sums across lanes. Rows that do not lie one behind the other are copied first.
/// </summary>
internal static unsafe class ScoreTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    // Rows of notice that memory gets: less than a window's block, so that they are at hand.
    private const int AheadRows = 32;

    /// <param name="queries">[queryCount, keys.Dim].</param>
    /// <param name="queryCount">At least 1.</param>
    /// <param name="keys">Where the rows lie.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="scores">scores[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    [SkipLocalsInit]
    public static void Run(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        var blockCount = RowBlocks.Count(keys.Dim);
        var tileFloats = QueryTile.Floats(blockCount);
        var queryTiles = (queryCount + QueryTile.Queries - 1) / QueryTile.Queries;
        var rowBytes = keys.Layout.Stride;
        var scratch = stackalloc byte[queryTiles * tileFloats * sizeof(float) + TLanes.Count * rowBytes + 2 * CacheLines.Bytes];
        var prepared = CacheLines.Align(scratch);
        var copies = (byte*)(prepared + queryTiles * tileFloats);
        // Of rows that are cut off a kernel reads what lies behind the last.
        Vector512<byte>.Zero.Store(copies + TLanes.Count * rowBytes);
        for (var q = 0; q < queryTiles; q++)
        {
            var count = Math.Min(QueryTile.Queries, queryCount - q * QueryTile.Queries);
            TCodec.Prepare(queries + (long)q * QueryTile.Queries * keys.Dim, count, keys.Dim, factor, prepared + q * tileFloats);
        }

        var widened = stackalloc float[RowBlocks.ScalesRoom(blockCount) * TLanes.Count];
        var tileScores = stackalloc float[QueryTile.Queries * TLanes.Count];
        var storage = stackalloc byte*[RowWindow.Length];
        var lines = stackalloc byte*[TileAhead.LineCount(TLanes.Count, rowBytes)];
        var window = new RowWindow(storage, keys, rows);
        for (var i = 0; i < rows.Count; i += TLanes.Count)
        {
            var addresses = window.From(i);
            var count = Math.Min(TLanes.Count, rows.Count - i);
            var follows = count == TLanes.Count && (rows.IsRange ? Follow(addresses.Codes, rowBytes) : FollowEach(addresses.Codes, rowBytes));
            var tile = follows ? addresses.Codes[0] : Copy(addresses.Codes, rowBytes, copies);
            var next = addresses.From(AheadRows);
            var ahead = follows && rows.IsRange ? TileAhead.Range(next, TLanes.Count, keys.Layout) : TileAhead.List(next, TLanes.Count, keys.Layout, lines);
            var scales = TCodec.WidenScales<TLanes, V>(addresses, blockCount, widened);
            for (var q = 0; q < queryCount; q += QueryTile.Queries)
            {
                TCodec.Score<TLanes, V>(tile, ahead, rowBytes, blockCount, prepared + q / QueryTile.Queries * tileFloats, scales, tileScores);
                Give(tileScores, Math.Min(QueryTile.Queries, queryCount - q), count, scores + (long)q * stride + i, stride);
            }
        }
    }

    private static void Give(float* tileScores, int queryCount, int rowCount, float* scores, int stride)
    {
        for (var q = 0; q < queryCount; q++, tileScores += TLanes.Count, scores += stride)
        {
            if (rowCount == TLanes.Count)
                TLanes.Store(TLanes.Load(tileScores), scores);
            else
                new ReadOnlySpan<float>(tileScores, rowCount).CopyTo(new Span<float>(scores, rowCount));
        }
    }

    // Within a range, rows are out of line only where a page ends.
    private static bool Follow(byte** rows, int rowBytes) => rows[TLanes.Count - 1] - rows[0] == (TLanes.Count - 1) * rowBytes;

    // Those of a list may lie anywhere, and often are a run.
    private static bool FollowEach(byte** rows, int rowBytes)
    {
        for (var i = 1; i < TLanes.Count; i++)
        {
            if (rows[i] - rows[i - 1] != rowBytes)
                return false;
        }

        return true;
    }

    // A row has at least 32 bytes; what is copied last may overlap what was before.
    private static byte* Copy(byte** rows, int rowBytes, byte* copies)
    {
        var destination = copies;
        for (var end = rows + TLanes.Count; rows < end; rows++, destination += rowBytes)
        {
            var source = *rows;
            if (rowBytes < 64)
            {
                Vector256.Store(Vector256.Load(source), destination);
                Vector256.Store(Vector256.Load(source + rowBytes - 32), destination + rowBytes - 32);
                continue;
            }

            for (var at = 0; at < rowBytes - 64; at += 64)
                Vector512.Store(Vector512.Load(source + at), destination + at);
            Vector512.Store(Vector512.Load(source + rowBytes - 64), destination + rowBytes - 64);
        }

        return copies;
    }
}
