using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>Kernels of a codec and a width of vectors: tiles of rows for few queries; for many, rows are widened into panels once.</summary>
internal unsafe class LaneKernels<TCodec, TLanes, V> : RowKernels
    where TCodec : struct, IKvCodec
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    // Below this, widening each row for every four queries costs less than a panel.
    protected const int FewQueries = 24;

    public override void Score(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        if (queryCount < FewQueries)
            ScoreTiles<TCodec, TLanes, V>.Run(queries, queryCount, keys, rows, factor, scores, stride);
        else
            ScoreMany(queries, queryCount, keys, rows, factor, scores, stride);
    }

    public override void AddWeighted(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        if (queryCount < FewQueries)
            ValueTiles<TCodec, TLanes, V>.Run(weights, stride, values, rows, outputs, queryCount);
        else
            AddMany(weights, stride, values, rows, outputs, queryCount);
    }

    public override void Widen(StoredRow stored, int blockCount, float* row) =>
        RowPanel<TCodec, TLanes, V>.WidenBlocks(stored, blockCount, row, RowBlocks.Elements);

    [SkipLocalsInit]
    private static void ScoreMany(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        var blockCount = RowBlocks.Count(keys.Dim);
        var panelRows = PanelProduct<TLanes, V>.MostRows(blockCount);
        var panelFloats = panelRows * blockCount * RowBlocks.Elements;
        var scratch = stackalloc byte[(panelFloats + TLanes.Count * blockCount * RowBlocks.Elements) * sizeof(float) + CacheLines.Bytes];
        var panel = CacheLines.Align(scratch);
        var addresses = stackalloc byte*[2 * panelRows];
        var located = new StoredRows(addresses, addresses + panelRows);
        for (var i = 0; i < rows.Count; i += panelRows)
        {
            var count = Math.Min(panelRows, rows.Count - i);
            rows.Locate(keys, i, panelRows, located);
            RowPanel<TCodec, TLanes, V>.WidenTransposed(located, count, keys.Dim, factor, panel, panel + panelFloats);
            PanelProduct<TLanes, V>.Run(queries, keys.Dim, panel, new PanelTarget(scores + i, stride, isFresh: true), queryCount, keys.Dim, count);
        }
    }

    [SkipLocalsInit]
    private static void AddMany(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var blockCount = RowBlocks.Count(values.Dim);
        var panelRows = PanelProduct<TLanes, V>.MostRows(blockCount);
        var scratch = stackalloc byte[panelRows * blockCount * RowBlocks.Elements * sizeof(float) + CacheLines.Bytes];
        var panel = CacheLines.Align(scratch);
        var addresses = stackalloc byte*[2 * panelRows];
        var located = new StoredRows(addresses, addresses + panelRows);
        for (var i = 0; i < rows.Count; i += panelRows)
        {
            var count = Math.Min(panelRows, rows.Count - i);
            rows.Locate(values, i, count, located);
            RowPanel<TCodec, TLanes, V>.Widen(located, count, blockCount, panel);
            PanelProduct<TLanes, V>.Run(weights + i, stride, panel, new PanelTarget(outputs, values.Dim, isFresh: false), queryCount, count, values.Dim);
        }
    }
}
