using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Weighted sums of a block of rows whose groups of 32 elements have ranges of their own, for up to four queries: scales are multiplied into the weights
/// beforehand, and the least elements are summed apart. A lane is an element.
/// </summary>
/// <param name="lower">Bytes from a row's codes to those in the second plane.</param>
internal readonly unsafe ref struct PackedValues<TBits, TLanes, V>(StoredRows rows, nint lower, int rowCount, int dim, float* scaled)
    where TBits : struct, IPackedBits
    where TLanes : struct, IFloatLanes<V>
    where V : struct
{
    public const int Queries = 4;

    /// <summary>Rows of a block, at most: their weights fit into the first level of caches.</summary>
    public const int BlockRows = 64;

    private readonly StoredRows _rows = rows;

    /// <summary>Floats that the weights of a block take, scaled.</summary>
    public static int Floats(int dim) => Queries * (BlockRows + 1) * RowBlocks.Count(dim);

    /// <summary>outputs[q, d] += sum over the rows of weights[q * stride + i] times their elements. Rows without scales count for nothing.</summary>
    /// <param name="queryCount">1 to 4.</param>
    [SkipLocalsInit]
    public void Add(float* weights, int stride, float* outputs, int queryCount)
    {
        var blocks = RowBlocks.Count(dim);
        var least = scaled + Queries * BlockRows * blocks;
        ScaleWeights(weights, stride, queryCount, blocks, least);
        var sums = stackalloc float[Queries * RowBlocks.Elements];
        for (var block = 0; block < blocks; block++)
        {
            AddBlock(scaled + block * Queries * BlockRows, block, sums);
            var width = Math.Min(RowBlocks.Elements, dim - block * RowBlocks.Elements);
            for (var q = 0; q < queryCount; q++)
            {
                var output = outputs + q * dim + block * RowBlocks.Elements;
                for (var d = 0; d < width; d++)
                    output[d] += sums[q * RowBlocks.Elements + d] + least[block * Queries + q];
            }
        }
    }

    // scaled[block, row, q] = weight times scale; least[block, q] = sum of weights times what is added to every element.
    private void ScaleWeights(float* weights, int stride, int queryCount, int blocks, float* least)
    {
        for (var block = 0; block < blocks; block++)
            Vector128<float>.Zero.Store(least + block * Queries);
        for (var r = 0; r < rowCount; r++)
        {
            var own = weights + r;
            var weight = Vector128.Create(
                own[0], queryCount > 1 ? own[stride] : 0, queryCount > 2 ? own[2 * (nint)stride] : 0, queryCount > 3 ? own[3 * (nint)stride] : 0);
            var ranges = (uint*)_rows.Scales[r];
            for (var block = 0; block < blocks; block++)
            {
                // A row without ranges is somebody else's.
                var range = Vector128.Create(ranges == null ? 0 : ranges[block]);
                var scale = (range << 16).AsSingle();
                var rest = (range & Vector128.Create(0xFFFF0000)).AsSingle() - scale * TBits.Origin;
                (weight * scale).Store(scaled + (block * BlockRows + r) * Queries);
                (Vector128.Load(least + block * Queries) + weight * rest).Store(least + block * Queries);
            }
        }
    }

    // sums[q, 0..32) of one block of elements.
    private void AddBlock(float* weights, int block, float* sums)
    {
        var rows = _rows.Codes;
        nint count = rowCount;
        for (nint d = 0; d < RowBlocks.Elements; d += 2 * TLanes.Count)
        {
            var zero = TLanes.Broadcast(0);
            var (a, b, c, e) = (zero, zero, zero, zero);
            var (f, g, h, k) = (zero, zero, zero, zero);
            var at = block * RowBlocks.Elements + d;
            var own = weights;
            for (nint r = 0; r < count; r++, own += Queries)
            {
                var row = rows[r];
                var (x, y) = (TBits.Load<TLanes, V>(row, lower, at), TBits.Load<TLanes, V>(row, lower, at + TLanes.Count));
                var w = TLanes.Broadcast(own[0]);
                (a, f) = (TLanes.MultiplyAdd(w, x, a), TLanes.MultiplyAdd(w, y, f));
                w = TLanes.Broadcast(own[1]);
                (b, g) = (TLanes.MultiplyAdd(w, x, b), TLanes.MultiplyAdd(w, y, g));
                w = TLanes.Broadcast(own[2]);
                (c, h) = (TLanes.MultiplyAdd(w, x, c), TLanes.MultiplyAdd(w, y, h));
                w = TLanes.Broadcast(own[3]);
                (e, k) = (TLanes.MultiplyAdd(w, x, e), TLanes.MultiplyAdd(w, y, k));
            }

            Give(a, f, sums + d);
            Give(b, g, sums + RowBlocks.Elements + d);
            Give(c, h, sums + 2 * RowBlocks.Elements + d);
            Give(e, k, sums + 3 * RowBlocks.Elements + d);
        }
    }

    private static void Give(V first, V second, float* to)
    {
        TLanes.Store(first, to);
        TLanes.Store(second, to + TLanes.Count);
    }
}
