using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows widened to f32 once, for products with so many queries that widening them for each would cost more than the products.</summary>
internal static unsafe class RowPanel<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    /// <summary>blocks[b * stride + d] = element d of block b of a stored row.</summary>
    public static void WidenBlocks(StoredRow stored, int blockCount, float* blocks, int stride)
    {
        for (var block = 0; block < blockCount; block++)
        {
            var pair = TLanes.Broadcast(BitConverter.UInt32BitsToSingle(TCodec.ScalePair(stored.Scales, block / 2)));
            var scale = block % 2 == 0 ? TLanes.LowerBf16(pair) : TLanes.UpperBf16(pair);
            for (var d = 0; d < RowBlocks.Elements; d += TLanes.Count)
            {
                var elements = TCodec.Load<TLanes, V>(stored.Codes, block * RowBlocks.Elements + d);
                TLanes.Store(TCodec.HasScales ? TLanes.Multiply(elements, scale) : elements, blocks + block * stride + d);
            }
        }
    }

    /// <summary>panel[b, i, 0..32) = block b of row i.</summary>
    public static void Widen(StoredRows rows, int rowCount, int blockCount, float* panel)
    {
        for (var i = 0; i < rowCount; i++)
            WidenBlocks(rows[i], blockCount, panel + i * RowBlocks.Elements, rowCount * RowBlocks.Elements);
    }

    /// <summary>panel[i / 32, d, i % 32] = factor * row i's element d.</summary>
    /// <param name="rows">rowCount rows, and as many more that may be read as make it a multiple of 32.</param>
    /// <param name="widened">Room for TLanes.Count rows.</param>
    public static void WidenTransposed(StoredRows rows, int rowCount, int dim, float factor, float* panel, float* widened)
    {
        var f = TLanes.Broadcast(factor);
        var blockCount = RowBlocks.Count(dim);
        var padded = blockCount * RowBlocks.Elements;
        for (var i = 0; i < rowCount; i += TLanes.Count)
        {
            for (var r = 0; r < TLanes.Count; r++)
                WidenBlocks(rows[i + r], blockCount, widened + r * padded, RowBlocks.Elements);
            var own = panel + i / RowBlocks.Elements * RowBlocks.Elements * dim + i % RowBlocks.Elements;
            for (var d = 0; d < dim; d += 4)
            {
                TLanes.LoadColumns((byte*)(widened + d), padded * sizeof(float), out var a, out var b, out var c, out var e);
                TLanes.Store(TLanes.Multiply(a, f), own + d * RowBlocks.Elements);
                TLanes.Store(TLanes.Multiply(b, f), own + (d + 1) * RowBlocks.Elements);
                TLanes.Store(TLanes.Multiply(c, f), own + (d + 2) * RowBlocks.Elements);
                TLanes.Store(TLanes.Multiply(e, f), own + (d + 3) * RowBlocks.Elements);
            }
        }
    }
}
