using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Scores of few queries: four rows at a time go through every query while they are in the first cache level, so that memory is
/// read once.
/// </summary>
internal static unsafe class ScoreTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
    where V : struct
{
    /// <param name="queries">[queryCount, dim].</param>
    /// <param name="queryCount">Any.</param>
    /// <param name="dim">Elements of a row and of a query.</param>
    /// <param name="rows">Addresses of four rows.</param>
    /// <param name="rowCount">How many of the four are wanted: 1 to 4.</param>
    /// <param name="factor">Multiplied into every score.</param>
    /// <param name="scores">scores[q * stride + r].</param>
    /// <param name="stride">Elements.</param>
    public static void Run(float* queries, int queryCount, int dim, byte** rows, int rowCount, float factor, float* scores, int stride)
    {
        var q = 0;
        var tile = stackalloc Vector128<float>[4];
        for (; q <= queryCount - 4; q += 4)
        {
            Tile4(queries + (long)q * dim, dim, rows, tile);
            for (var i = 0; i < 4; i++)
                Store(tile[i] * factor, scores + (long)(q + i) * stride, rowCount);
        }

        for (; q < queryCount; q++)
            Store(Tile1(queries + (long)q * dim, dim, rows) * factor, scores + (long)q * stride, rowCount);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<float> x, float* destination, int count)
    {
        if (count == 4)
        {
            x.Store(destination);
            return;
        }

        for (var i = 0; i < count; i++)
            destination[i] = x[i];
    }

    private static Vector128<float> Tile1(float* query, int dim, byte** rows)
    {
        byte* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        var zero = TLanes.Broadcast(0);
        var (s0, s1, s2, s3) = (zero, zero, zero, zero);
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
        {
            var q = TLanes.Load(query + d);
            s0 = TLanes.MultiplyAdd(TCodec.Load<TLanes, V>(r0, dim, d), q, s0);
            s1 = TLanes.MultiplyAdd(TCodec.Load<TLanes, V>(r1, dim, d), q, s1);
            s2 = TLanes.MultiplyAdd(TCodec.Load<TLanes, V>(r2, dim, d), q, s2);
            s3 = TLanes.MultiplyAdd(TCodec.Load<TLanes, V>(r3, dim, d), q, s3);
        }

        var sums = TLanes.Sum4(s0, s1, s2, s3);
        for (; d < dim; d++)
            sums += Column(rows, dim, d) * query[d];
        return sums;
    }

    private static void Tile4(float* query, int dim, byte** rows, Vector128<float>* sums)
    {
        byte* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        float* q1 = query + dim, q2 = q1 + dim, q3 = q2 + dim;
        var zero = TLanes.Broadcast(0);
        var (s00, s01, s02, s03) = (zero, zero, zero, zero);
        var (s10, s11, s12, s13) = (zero, zero, zero, zero);
        var (s20, s21, s22, s23) = (zero, zero, zero, zero);
        var (s30, s31, s32, s33) = (zero, zero, zero, zero);
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
        {
            var (k0, k1) = (TCodec.Load<TLanes, V>(r0, dim, d), TCodec.Load<TLanes, V>(r1, dim, d));
            var (k2, k3) = (TCodec.Load<TLanes, V>(r2, dim, d), TCodec.Load<TLanes, V>(r3, dim, d));
            var x = TLanes.Load(query + d);
            s00 = TLanes.MultiplyAdd(k0, x, s00);
            s01 = TLanes.MultiplyAdd(k1, x, s01);
            s02 = TLanes.MultiplyAdd(k2, x, s02);
            s03 = TLanes.MultiplyAdd(k3, x, s03);
            x = TLanes.Load(q1 + d);
            s10 = TLanes.MultiplyAdd(k0, x, s10);
            s11 = TLanes.MultiplyAdd(k1, x, s11);
            s12 = TLanes.MultiplyAdd(k2, x, s12);
            s13 = TLanes.MultiplyAdd(k3, x, s13);
            x = TLanes.Load(q2 + d);
            s20 = TLanes.MultiplyAdd(k0, x, s20);
            s21 = TLanes.MultiplyAdd(k1, x, s21);
            s22 = TLanes.MultiplyAdd(k2, x, s22);
            s23 = TLanes.MultiplyAdd(k3, x, s23);
            x = TLanes.Load(q3 + d);
            s30 = TLanes.MultiplyAdd(k0, x, s30);
            s31 = TLanes.MultiplyAdd(k1, x, s31);
            s32 = TLanes.MultiplyAdd(k2, x, s32);
            s33 = TLanes.MultiplyAdd(k3, x, s33);
        }

        sums[0] = TLanes.Sum4(s00, s01, s02, s03);
        sums[1] = TLanes.Sum4(s10, s11, s12, s13);
        sums[2] = TLanes.Sum4(s20, s21, s22, s23);
        sums[3] = TLanes.Sum4(s30, s31, s32, s33);
        for (; d < dim; d++)
        {
            var column = Column(rows, dim, d);
            for (var i = 0; i < 4; i++)
                sums[i] += column * query[i * dim + d];
        }
    }

    /// <summary>Element d of the four rows.</summary>
    private static Vector128<float> Column(byte** rows, int dim, int d) => Vector128.Create(
        TCodec.Load<Lanes1, float>(rows[0], dim, d),
        TCodec.Load<Lanes1, float>(rows[1], dim, d),
        TCodec.Load<Lanes1, float>(rows[2], dim, d),
        TCodec.Load<Lanes1, float>(rows[3], dim, d));
}
