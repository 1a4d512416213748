using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Weighted sums of values for few queries. Four outputs of two registers' width stay in registers while a block of rows passes by; the
/// scales of rows are multiplied into the weights beforehand.
/// </summary>
internal static unsafe class ValueTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    private const int Queries = 4;
    private const int BlockRows = RowWindow.BlockRows;

    private static int TileWidth => 2 * TLanes.Count;

    // Sixteen outputs, four values and a weight need the 32 registers that machines of 512 bits have.
    private static bool HasWideTiles => TLanes.Count == Vector512<float>.Count;

    /// <param name="weights">weights[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    /// <param name="values">Where the rows lie.</param>
    /// <param name="rows">At least one.</param>
    /// <param name="outputs">[queryCount, values.Dim], added to.</param>
    /// <param name="queryCount">At least 1.</param>
    [SkipLocalsInit]
    public static void Run(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var scaled = stackalloc float[ScaledFloats(values.Dim)];
        var storage = stackalloc byte*[RowWindow.Length];
        var window = new RowWindow(storage, values, rows);
        for (var i = 0; i < rows.Count; i += BlockRows)
        {
            var addresses = window.From(i);
            var count = Math.Min(BlockRows, rows.Count - i);
            for (var q = 0; q < queryCount; q += Queries)
            {
                var existing = Math.Min(Queries, queryCount - q);
                ScaleWeights(weights + (long)q * stride + i, stride, existing, addresses, count, RowBlocks.Count(values.Dim), scaled);
                Add(scaled, existing, addresses.Codes, count, outputs + (long)q * values.Dim, values);
            }
        }
    }

    /// <summary>One block of rows for up to four queries.</summary>
    /// <param name="weights">weights[q * stride + i].</param>
    /// <param name="stride">Elements.</param>
    /// <param name="values">Where the rows lie.</param>
    /// <param name="rows">64 rows and 64 to ask for: their codes, since who scored the keys has the scales at hand.</param>
    /// <param name="rowCount">1 to 64.</param>
    /// <param name="outputs">[queryCount, values.Dim], added to.</param>
    /// <param name="queryCount">1 to 4.</param>
    [SkipLocalsInit]
    public static void AddBlock(float* weights, int stride, in PagedRows values, StoredRows rows, int rowCount, float* outputs, int queryCount)
    {
        var scaled = stackalloc float[ScaledFloats(values.Dim)];
        ScaleWeights(weights, stride, queryCount, rows, rowCount, RowBlocks.Count(values.Dim), scaled);
        Add(scaled, queryCount, rows.Codes, rowCount, outputs, values);
    }

    private static int ScaledFloats(int dim) => (TCodec.HasScales ? RowBlocks.Count(dim) : 1) * Queries * BlockRows;

    // scaled[block, q, r] = weights[q, r] times the scale of that block of row r; zeros for queries that are missing and rows past the end.
    [SkipLocalsInit]
    private static void ScaleWeights(float* weights, int stride, int queryCount, StoredRows rows, int rowCount, int blockCount, float* scaled)
    {
        var widened = stackalloc float[RowBlocks.ScalesRoom(blockCount) * TLanes.Count];
        var tail = stackalloc float[Queries * 16];
        var scaledBlocks = TCodec.HasScales ? blockCount : 1;
        for (var r = 0; r < rowCount; r += TLanes.Count)
        {
            var scales = TCodec.WidenScales<TLanes, V>(rows.From(r), blockCount, widened);
            var own = weights + r;
            var ownStride = stride;
            if (queryCount < Queries || rowCount - r < TLanes.Count)
            {
                new Span<float>(tail, Queries * TLanes.Count).Clear();
                Copy(weights + r, stride, tail, TLanes.Count, queryCount, Math.Min(TLanes.Count, rowCount - r));
                own = tail;
                ownStride = TLanes.Count;
            }

            for (var q = 0; q < Queries; q++)
            {
                var w = TLanes.Load(own + (long)q * ownStride);
                for (var block = 0; block < scaledBlocks; block++)
                {
                    var product = TCodec.HasScales ? TLanes.Multiply(w, TLanes.Load(scales + block * TLanes.Count)) : w;
                    TLanes.Store(product, scaled + (block * Queries + q) * BlockRows + r);
                }
            }
        }
    }

    [SkipLocalsInit]
    private static void Add(float* scaled, int queryCount, byte** rows, int rowCount, float* outputs, in PagedRows values)
    {
        var edge = stackalloc float[Queries * 2 * 16];
        var dim = values.Dim;
        var ahead = new RowsAhead(rows + BlockRows, dim / TileWidth, values.Layout.Stride);
        var d = 0;
        for (; HasWideTiles && queryCount == Queries && d + 2 * TileWidth <= dim; d += 2 * TileWidth, ahead = ahead.Next().Next())
            WideTile(Scaled(scaled, d), Scaled(scaled, d + TileWidth), rows, ahead, rowCount, d, outputs + d, dim);
        for (; d < dim; d += TileWidth, ahead = ahead.Next())
        {
            var weights = Scaled(scaled, d);
            // The elements past the end of a row are zeros, but the outputs of the next query begin there; and there may be no next one.
            if (d + TileWidth <= dim && queryCount == Queries)
            {
                Tile(weights, rows, ahead, rowCount, d, outputs + d, dim);
                continue;
            }

            new Span<float>(edge, Queries * TileWidth).Clear();
            Copy(outputs + d, dim, edge, TileWidth, queryCount, Math.Min(TileWidth, dim - d));
            Tile(weights, rows, ahead, rowCount, d, edge, TileWidth);
            Copy(edge, TileWidth, outputs + d, dim, queryCount, Math.Min(TileWidth, dim - d));
        }
    }

    private static float* Scaled(float* scaled, int d) => scaled + (TCodec.HasScales ? d / RowBlocks.Elements * Queries * BlockRows : 0);

    // Four outputs of four registers' width, each half with weights of its own. The fewer passes over a block that comes from memory, the less of its lines
    // wait for each other.
    private static void WideTile(float* weights, float* upperWeights, byte** rows, in RowsAhead ahead, nint rowCount, nint d, float* outputs, int outputStride)
    {
        nint n = TLanes.Count;
        var asked = ahead.Rows;
        var (parts, step) = (ahead.Parts / 2, ahead.Step);
        var (a0, a1, a2, a3) = Four(outputs);
        var (b0, b1, b2, b3) = Four(outputs + outputStride);
        var (c0, c1, c2, c3) = Four(outputs + 2 * outputStride);
        var (e0, e1, e2, e3) = Four(outputs + 3 * outputStride);
        for (nint r = 0; r < rowCount;)
        {
            var ask = *asked++;
            for (var end = Math.Min(r + parts, rowCount); r < end; r++, ask += 2 * step)
            {
                var row = rows[r];
                var (x, y) = (TCodec.Load<TLanes, V>(row, d), TCodec.Load<TLanes, V>(row, d + n));
                var (z, u) = (TCodec.Load<TLanes, V>(row, d + 2 * n), TCodec.Load<TLanes, V>(row, d + 3 * n));
                CacheLines.Prefetch(ask);
                CacheLines.Prefetch(ask + step);
                var w = TLanes.Broadcast(weights[r]);
                Add(w, x, y, ref a0, ref a1);
                Add(TCodec.HasScales ? TLanes.Broadcast(upperWeights[r]) : w, z, u, ref a2, ref a3);
                w = TLanes.Broadcast(weights[r + BlockRows]);
                Add(w, x, y, ref b0, ref b1);
                Add(TCodec.HasScales ? TLanes.Broadcast(upperWeights[r + BlockRows]) : w, z, u, ref b2, ref b3);
                w = TLanes.Broadcast(weights[r + 2 * BlockRows]);
                Add(w, x, y, ref c0, ref c1);
                Add(TCodec.HasScales ? TLanes.Broadcast(upperWeights[r + 2 * BlockRows]) : w, z, u, ref c2, ref c3);
                w = TLanes.Broadcast(weights[r + 3 * BlockRows]);
                Add(w, x, y, ref e0, ref e1);
                Add(TCodec.HasScales ? TLanes.Broadcast(upperWeights[r + 3 * BlockRows]) : w, z, u, ref e2, ref e3);
            }
        }

        Give(outputs, a0, a1, a2, a3);
        Give(outputs + outputStride, b0, b1, b2, b3);
        Give(outputs + 2 * outputStride, c0, c1, c2, c3);
        Give(outputs + 3 * outputStride, e0, e1, e2, e3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (V First, V Second, V Third, V Fourth) Four(float* from) => (
        TLanes.Load(from), TLanes.Load(from + TLanes.Count), TLanes.Load(from + 2 * TLanes.Count), TLanes.Load(from + 3 * TLanes.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(V weight, V x, V y, ref V a, ref V b)
    {
        a = TLanes.MultiplyAdd(weight, x, a);
        b = TLanes.MultiplyAdd(weight, y, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Give(float* to, V a, V b, V c, V d)
    {
        TLanes.Store(a, to);
        TLanes.Store(b, to + TLanes.Count);
        TLanes.Store(c, to + 2 * TLanes.Count);
        TLanes.Store(d, to + 3 * TLanes.Count);
    }

    private static void Tile(float* weights, byte** rows, in RowsAhead ahead, nint rowCount, nint d, float* outputs, int outputStride)
    {
        float* o1 = outputs + outputStride, o2 = o1 + outputStride, o3 = o2 + outputStride;
        nint n = TLanes.Count;
        var (a, e) = (TLanes.Load(outputs), TLanes.Load(outputs + n));
        var (b, f) = (TLanes.Load(o1), TLanes.Load(o1 + n));
        var (c, g) = (TLanes.Load(o2), TLanes.Load(o2 + n));
        var (s, h) = (TLanes.Load(o3), TLanes.Load(o3 + n));
        var asked = ahead.Rows;
        var (parts, step) = (ahead.Parts, ahead.Step);
        for (nint r = 0; r < rowCount;)
        {
            var ask = *asked++;
            for (var end = Math.Min(r + parts, rowCount); r < end; r++, ask += step)
            {
                var (x, y) = (TCodec.Load<TLanes, V>(rows[r], d), TCodec.Load<TLanes, V>(rows[r], d + n));
                CacheLines.Prefetch(ask);
                var w = TLanes.Broadcast(weights[r]);
                a = TLanes.MultiplyAdd(w, x, a);
                e = TLanes.MultiplyAdd(w, y, e);
                w = TLanes.Broadcast(weights[r + BlockRows]);
                b = TLanes.MultiplyAdd(w, x, b);
                f = TLanes.MultiplyAdd(w, y, f);
                w = TLanes.Broadcast(weights[r + 2 * BlockRows]);
                c = TLanes.MultiplyAdd(w, x, c);
                g = TLanes.MultiplyAdd(w, y, g);
                w = TLanes.Broadcast(weights[r + 3 * BlockRows]);
                s = TLanes.MultiplyAdd(w, x, s);
                h = TLanes.MultiplyAdd(w, y, h);
            }
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

    /// <summary>
    /// The next block of rows, spread over the passes of this one: memory answers lines in the order of their addresses a third faster than
    /// in strides, so each pass asks for whole rows, a part at every step, and not for its own columns of all rows.
    /// </summary>
    private readonly struct RowsAhead
    {
        public readonly byte** Rows;
        public readonly nint Parts;
        public readonly nint Step;

        public RowsAhead(byte** rows, int passes, int rowBytes)
        {
            Rows = rows;
            Parts = (nint)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(passes, 1, BlockRows));
            Step = Parts == 1 ? 0 : (rowBytes - 1) / (Parts - 1);
        }

        private RowsAhead(byte** rows, nint parts, nint step)
        {
            Rows = rows;
            Parts = parts;
            Step = step;
        }

        public RowsAhead Next() => new(Rows + (BlockRows / Parts), Parts, Step);
    }
}
