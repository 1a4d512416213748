using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>Four queries side by side, element by element, so that a kernel whose lanes are rows finds what it broadcasts in one place.</summary>
internal static unsafe class QueryTile
{
    public const int Queries = 4;

    /// <summary>Room for four prepared queries of any format, in floats: whole cache lines.</summary>
    public static int Floats(int blockCount) => (Queries * blockCount * RowBlocks.Elements) + (CacheLines.Bytes / sizeof(float));

    /// <summary>prepared[d, q] = factor * queries[q, d], and 0 where there is no such query or element: [32 * blockCount, 4].</summary>
    public static void Transpose(float* queries, int count, int dim, float factor, float* prepared)
    {
        var whole = dim & ~3;
        var f = Vector128.Create(factor);
        for (var d = 0; d < whole; d += 4)
        {
            var (a, b, c, e) = Elements(queries + d, count, dim);
            FloatLanes128.Transpose(ref a, ref b, ref c, ref e);
            (a * f).Store(prepared + 4 * d);
            (b * f).Store(prepared + 4 * d + 4);
            (c * f).Store(prepared + 4 * d + 8);
            (e * f).Store(prepared + 4 * d + 12);
        }

        var padded = RowBlocks.Count(dim) * RowBlocks.Elements;
        new Span<float>(prepared + Queries * whole, Queries * (padded - whole)).Clear();
        for (var d = whole; d < dim; d++)
        {
            for (var q = 0; q < count; q++)
                prepared[Queries * d + q] = queries[q * dim + d] * factor;
        }
    }

    /// <summary>sums[q] += column * prepared[q].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void MultiplyAdd<TLanes, V>(V column, float* prepared, ref V a, ref V b, ref V c, ref V d)
        where TLanes : struct, IFloatLanes<V>
        where V : struct
    {
        a = TLanes.MultiplyAdd(column, TLanes.Broadcast(prepared[0]), a);
        b = TLanes.MultiplyAdd(column, TLanes.Broadcast(prepared[1]), b);
        c = TLanes.MultiplyAdd(column, TLanes.Broadcast(prepared[2]), c);
        d = TLanes.MultiplyAdd(column, TLanes.Broadcast(prepared[3]), d);
    }

    // Four elements of each of four queries.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> A, Vector128<float> B, Vector128<float> C, Vector128<float> D) Elements(float* query, int count, int dim) => (
        Vector128.Load(query),
        count > 1 ? Vector128.Load(query + dim) : default,
        count > 2 ? Vector128.Load(query + 2 * dim) : default,
        count > 3 ? Vector128.Load(query + 3 * dim) : default);
}
