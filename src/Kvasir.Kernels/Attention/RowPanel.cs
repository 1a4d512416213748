using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows widened to f32 once, for products with so many queries that widening them for each would cost more than the products.</summary>
internal static unsafe class RowPanel<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
    where V : struct
{
    /// <summary>row = the decoded elements of whole blocks: with the padding, 32 * blockCount of them.</summary>
    public static void WidenRow(byte* stored, int blockCount, float* row)
    {
        for (var block = 0; block < blockCount; block++)
        {
            var pair = TLanes.Broadcast(BitConverter.UInt32BitsToSingle(TCodec.ScalePair(stored, blockCount, block / 2)));
            var scale = block % 2 == 0 ? TLanes.LowerBf16(pair) : TLanes.UpperBf16(pair);
            var end = (block + 1) * KvCodecs.BlockElements;
            for (var d = block * KvCodecs.BlockElements; d < end; d += TLanes.Count)
            {
                var elements = TCodec.Load<TLanes, V>(stored, d);
                TLanes.Store(TCodec.HasScales ? TLanes.Multiply(elements, scale) : elements, row + d);
            }
        }
    }

    /// <summary>panel[i, 0..32 * blockCount) = row i.</summary>
    public static void Widen(byte** rows, int rowCount, int blockCount, float* panel)
    {
        for (var i = 0; i < rowCount; i++)
            WidenRow(rows[i], blockCount, panel + i * blockCount * KvCodecs.BlockElements);
    }

    /// <summary>panel[d, i] = factor * row i's element d for all <paramref name="width"/> rows; width is a multiple of TLanes.Count.</summary>
    /// <param name="widened">Room for TLanes.Count rows.</param>
    public static void WidenTransposed(byte** rows, int width, int blockCount, float factor, float* panel, float* widened)
    {
        var f = TLanes.Broadcast(factor);
        var padded = blockCount * KvCodecs.BlockElements;
        for (var i = 0; i < width; i += TLanes.Count)
        {
            Widen(rows + i, TLanes.Count, blockCount, widened);
            for (var d = 0; d < padded; d += 4)
            {
                TLanes.LoadColumns((byte*)(widened + d), padded * sizeof(float), out var a, out var b, out var c, out var e);
                var column = panel + d * width + i;
                TLanes.Store(TLanes.Multiply(a, f), column);
                TLanes.Store(TLanes.Multiply(b, f), column + width);
                TLanes.Store(TLanes.Multiply(c, f), column + 2 * width);
                TLanes.Store(TLanes.Multiply(e, f), column + 3 * width);
            }
        }
    }
}
