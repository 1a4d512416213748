using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Scores of few queries. A lane is a row: a tile of as many rows as there are lanes is transposed on its way into registers and meets
/// four queries at a time, so that there are no sums across lanes. Rows that do not lie one behind the other are copied first.
/// </summary>
internal static unsafe class ScoreTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
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
        var tileFloats = QueryTile.Floats(KvCodecs.BlockCount(keys.Dim));
        var queryTiles = (queryCount + QueryTile.Queries - 1) / QueryTile.Queries;
        var scratch = stackalloc byte[queryTiles * tileFloats * sizeof(float) + TLanes.Count * keys.RowBytes + 2 * CacheLines.Bytes];
        var prepared = CacheLines.Align(scratch);
        for (var q = 0; q < queryCount; q += QueryTile.Queries)
            TCodec.Prepare(queries + (long)q * keys.Dim, Math.Min(QueryTile.Queries, queryCount - q), keys.Dim, factor, prepared + q / QueryTile.Queries * tileFloats);
        var copies = (byte*)(prepared + queryTiles * tileFloats);
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, keys, rows);
        for (var block = 0; block < rows.Count; block += RowWindow.BlockRows)
        {
            var addresses = window.Next(block);
            var end = Math.Min(RowWindow.BlockRows, rows.Count - block);
            for (var i = 0; i < end; i += TLanes.Count)
            {
                Ask(addresses + i + AheadRows, keys.RowBytes);
                var tile = rows.IsRange && end - i >= TLanes.Count && Follow(addresses + i, keys.RowBytes) ? addresses[i] : Copy(addresses + i, keys.RowBytes, copies);
                Score(tile, keys, prepared, queryCount, scores + block + i, stride, Math.Min(TLanes.Count, end - i));
            }
        }
    }

    [SkipLocalsInit]
    private static void Score(byte* tile, in PagedRows keys, float* prepared, int queryCount, float* scores, int stride, int count)
    {
        var own = stackalloc float[QueryTile.Queries * 16];
        var blockCount = KvCodecs.BlockCount(keys.Dim);
        for (var q = 0; q < queryCount; q += QueryTile.Queries, prepared += QueryTile.Floats(blockCount))
        {
            TCodec.Score<TLanes, V>(tile, keys.RowBytes, blockCount, prepared, own);
            for (var i = 0; i < Math.Min(QueryTile.Queries, queryCount - q); i++)
            {
                var destination = scores + (long)(q + i) * stride;
                if (count == TLanes.Count)
                    TLanes.Store(TLanes.Load(own + i * TLanes.Count), destination);
                else
                    new ReadOnlySpan<float>(own + i * TLanes.Count, count).CopyTo(new Span<float>(destination, count));
            }
        }
    }

    // Every line of the rows, the last bytes of each among them.
    private static void Ask(byte** rows, int rowBytes)
    {
        for (var at = 0; at < rowBytes - 1; at += CacheLines.Bytes)
        {
            for (var i = 0; i < TLanes.Count; i++)
                RowWindow.Prefetch(rows[i] + at);
        }
    }

    // Within a range, rows are out of line only where a page ends.
    private static bool Follow(byte** rows, int rowBytes) => rows[TLanes.Count - 1] - rows[0] == (TLanes.Count - 1) * rowBytes;

    // A row has at least 32 bytes; its last 32 may overlap those before.
    private static byte* Copy(byte** rows, int rowBytes, byte* copies)
    {
        for (var i = 0; i < TLanes.Count; i++)
        {
            byte* source = rows[i], destination = copies + i * rowBytes;
            for (var at = 0; at < rowBytes - 32; at += 32)
                Vector256.Store(Vector256.Load(source + at), destination + at);
            Vector256.Store(Vector256.Load(source + rowBytes - 32), destination + rowBytes - 32);
        }

        return copies;
    }
}
