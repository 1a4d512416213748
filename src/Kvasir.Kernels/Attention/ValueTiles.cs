using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Weighted sums of values for few queries. Four outputs of two registers' width stay in registers while a block of rows passes by; the
/// scales of rows are multiplied into the weights beforehand.
/// </summary>
internal static unsafe class ValueTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
    where V : struct
{
    private const int Queries = 4;
    private const int BlockRows = RowWindow.BlockRows;

    private static int TileWidth => 2 * TLanes.Count;

    /// <param name="weights">weights[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    /// <param name="values">Where the rows lie.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="outputs">[queryCount, values.Dim], added to.</param>
    /// <param name="queryCount">At least 1.</param>
    [SkipLocalsInit]
    public static void Run(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, values, rows);
        for (var block = 0; block < rows.Count; block += BlockRows)
        {
            var addresses = window.Next(block);
            var count = Math.Min(BlockRows, rows.Count - block);
            for (var q = 0; q < queryCount; q += Queries)
            {
                var own = weights + (long)q * stride + block;
                Add(own, stride, Math.Min(Queries, queryCount - q), addresses, count, outputs + (long)q * values.Dim, values.Dim);
            }
        }
    }

    [SkipLocalsInit]
    private static void Add(float* weights, int stride, int queryCount, byte** rows, int rowCount, float* outputs, int dim)
    {
        var scaled = stackalloc float[Queries * BlockRows];
        var edge = stackalloc float[Queries * 2 * 16];
        var pairs = stackalloc uint[BlockRows];
        var blockCount = KvCodecs.BlockCount(dim);
        var own = weights;
        var ownStride = stride;
        for (var d = 0; d < dim; d += TileWidth)
        {
            if (TCodec.HasScales || queryCount < Queries)
            {
                var block = d / KvCodecs.BlockElements;
                for (var r = 0; r < rowCount && d % (2 * KvCodecs.BlockElements) == 0; r++)
                    pairs[r] = TCodec.ScalePair(rows[r], blockCount, block / 2);
                if (d % KvCodecs.BlockElements == 0)
                    ScaleWeights(weights, stride, queryCount, rowCount, (float*)pairs, block % 2 != 0, scaled);
                own = scaled;
                ownStride = BlockRows;
            }

            // The elements past the end of a row are zeros, but the outputs of the next query begin there; and there may be no next one.
            if (d + TileWidth <= dim && queryCount == Queries)
            {
                Tile(own, ownStride, rows, rowCount, d, outputs + d, dim);
                continue;
            }

            new Span<float>(edge, Queries * TileWidth).Clear();
            Copy(outputs + d, dim, edge, TileWidth, queryCount, Math.Min(TileWidth, dim - d));
            Tile(own, ownStride, rows, rowCount, d, edge, TileWidth);
            Copy(edge, TileWidth, outputs + d, dim, queryCount, Math.Min(TileWidth, dim - d));
        }
    }

    // scaled[q, r] = weights[q, r] times the scale of row r; weights of queries that are missing are zeros.
    private static void ScaleWeights(float* weights, int stride, int queryCount, int rowCount, float* pairs, bool upper, float* scaled)
    {
        new Span<float>(scaled + queryCount * BlockRows, (Queries - queryCount) * BlockRows).Clear();
        var r = 0;
        for (; r <= rowCount - TLanes.Count; r += TLanes.Count)
        {
            var pair = TLanes.Load(pairs + r);
            var scales = upper ? TLanes.UpperBf16(pair) : TLanes.LowerBf16(pair);
            for (var q = 0; q < queryCount; q++)
                TLanes.Store(TLanes.Multiply(TLanes.Load(weights + (long)q * stride + r), scales), scaled + q * BlockRows + r);
        }

        for (; r < rowCount; r++)
        {
            var scale = upper ? Lanes1.UpperBf16(pairs[r]) : Lanes1.LowerBf16(pairs[r]);
            for (var q = 0; q < queryCount; q++)
                scaled[q * BlockRows + r] = weights[(long)q * stride + r] * scale;
        }
    }

    private static void Tile(float* weights, int stride, byte** rows, int rowCount, int d, float* outputs, int outputStride)
    {
        float* w1 = weights + stride, w2 = w1 + stride, w3 = w2 + stride;
        float* o1 = outputs + outputStride, o2 = o1 + outputStride, o3 = o2 + outputStride;
        var n = TLanes.Count;
        var (a, e) = (TLanes.Load(outputs), TLanes.Load(outputs + n));
        var (b, f) = (TLanes.Load(o1), TLanes.Load(o1 + n));
        var (c, g) = (TLanes.Load(o2), TLanes.Load(o2 + n));
        var (s, h) = (TLanes.Load(o3), TLanes.Load(o3 + n));
        for (nint r = 0; r < rowCount; r++)
        {
            var (x, y) = (TCodec.Load<TLanes, V>(rows[r], d), TCodec.Load<TLanes, V>(rows[r], d + n));
            RowWindow.Prefetch(rows[r + BlockRows] + d);
            var w = TLanes.Broadcast(weights[r]);
            a = TLanes.MultiplyAdd(w, x, a);
            e = TLanes.MultiplyAdd(w, y, e);
            w = TLanes.Broadcast(w1[r]);
            b = TLanes.MultiplyAdd(w, x, b);
            f = TLanes.MultiplyAdd(w, y, f);
            w = TLanes.Broadcast(w2[r]);
            c = TLanes.MultiplyAdd(w, x, c);
            g = TLanes.MultiplyAdd(w, y, g);
            w = TLanes.Broadcast(w3[r]);
            s = TLanes.MultiplyAdd(w, x, s);
            h = TLanes.MultiplyAdd(w, y, h);
        }

        TLanes.Store(a, outputs);
        TLanes.Store(e, outputs + n);
        TLanes.Store(b, o1);
        TLanes.Store(f, o1 + n);
        TLanes.Store(c, o2);
        TLanes.Store(g, o2 + n);
        TLanes.Store(s, o3);
        TLanes.Store(h, o3 + n);
    }

    private static void Copy(float* source, int sourceStride, float* destination, int destinationStride, int rows, int columns)
    {
        for (var i = 0; i < rows; i++)
            new ReadOnlySpan<float>(source + (long)i * sourceStride, columns).CopyTo(new Span<float>(destination + (long)i * destinationStride, columns));
    }
}
