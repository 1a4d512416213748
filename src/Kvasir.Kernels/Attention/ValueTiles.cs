using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// Weighted sums of values for few queries. Outputs stay in the first cache level; each pass over them adds four rows, so that memory
/// is read once and an output is loaded and stored once for four multiply-adds.
/// </summary>
internal static unsafe class ValueTiles<TCodec, TLanes, V>
    where TCodec : struct, IKvCodec
    where TLanes : struct, ILanes<V>
    where V : struct
{
    /// <param name="weights">weights[q * stride + r].</param>
    /// <param name="stride">Elements.</param>
    /// <param name="rows">Addresses of rowCount rows.</param>
    /// <param name="rowCount">1 to 4.</param>
    /// <param name="outputs">[queryCount, dim].</param>
    /// <param name="queryCount">Any.</param>
    /// <param name="dim">Elements of a row and of an output.</param>
    public static void Run(float* weights, int stride, byte** rows, int rowCount, float* outputs, int queryCount, int dim)
    {
        var q = 0;
        if (rowCount == 4)
        {
            for (; q <= queryCount - 4; q += 4)
                Tile4(weights + (long)q * stride, stride, rows, outputs + (long)q * dim, dim);
            for (; q < queryCount; q++)
                Tile1(weights + (long)q * stride, rows, outputs + (long)q * dim, dim);
            return;
        }

        for (; q < queryCount; q++)
        {
            for (var r = 0; r < rowCount; r++)
                AddRow(weights[(long)q * stride + r], rows[r], outputs + (long)q * dim, dim);
        }
    }

    private static void AddRow(float weight, byte* row, float* output, int dim)
    {
        var w = TLanes.Broadcast(weight);
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
            TLanes.Store(TLanes.MultiplyAdd(w, TCodec.Load<TLanes, V>(row, dim, d), TLanes.Load(output + d)), output + d);
        for (; d < dim; d++)
            output[d] = float.MultiplyAddEstimate(weight, TCodec.Load<Lanes1, float>(row, dim, d), output[d]);
    }

    private static void Tile1(float* weights, byte** rows, float* output, int dim)
    {
        byte* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        var (w0, w1) = (TLanes.Broadcast(weights[0]), TLanes.Broadcast(weights[1]));
        var (w2, w3) = (TLanes.Broadcast(weights[2]), TLanes.Broadcast(weights[3]));
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
        {
            var sum = TLanes.MultiplyAdd(w0, TCodec.Load<TLanes, V>(r0, dim, d), TLanes.Load(output + d));
            sum = TLanes.MultiplyAdd(w1, TCodec.Load<TLanes, V>(r1, dim, d), sum);
            sum = TLanes.MultiplyAdd(w2, TCodec.Load<TLanes, V>(r2, dim, d), sum);
            TLanes.Store(TLanes.MultiplyAdd(w3, TCodec.Load<TLanes, V>(r3, dim, d), sum), output + d);
        }

        FinishTile(weights, 0, rows, output, dim, 1, d);
    }

    private static void Tile4(float* weights, int stride, byte** rows, float* output, int dim)
    {
        byte* r0 = rows[0], r1 = rows[1], r2 = rows[2], r3 = rows[3];
        float* w1 = weights + stride, w2 = w1 + stride, w3 = w2 + stride;
        var (w00, w01, w02, w03) = (TLanes.Broadcast(weights[0]), TLanes.Broadcast(weights[1]), TLanes.Broadcast(weights[2]), TLanes.Broadcast(weights[3]));
        var (w10, w11, w12, w13) = (TLanes.Broadcast(w1[0]), TLanes.Broadcast(w1[1]), TLanes.Broadcast(w1[2]), TLanes.Broadcast(w1[3]));
        var (w20, w21, w22, w23) = (TLanes.Broadcast(w2[0]), TLanes.Broadcast(w2[1]), TLanes.Broadcast(w2[2]), TLanes.Broadcast(w2[3]));
        var (w30, w31, w32, w33) = (TLanes.Broadcast(w3[0]), TLanes.Broadcast(w3[1]), TLanes.Broadcast(w3[2]), TLanes.Broadcast(w3[3]));
        var d = 0;
        for (; d <= dim - TLanes.Count; d += TLanes.Count)
        {
            var (v0, v1) = (TCodec.Load<TLanes, V>(r0, dim, d), TCodec.Load<TLanes, V>(r1, dim, d));
            var (v2, v3) = (TCodec.Load<TLanes, V>(r2, dim, d), TCodec.Load<TLanes, V>(r3, dim, d));
            float* o0 = output + d, o1 = o0 + dim, o2 = o1 + dim, o3 = o2 + dim;
            TLanes.Store(TLanes.MultiplyAdd(w03, v3, TLanes.MultiplyAdd(w02, v2, TLanes.MultiplyAdd(w01, v1, TLanes.MultiplyAdd(w00, v0, TLanes.Load(o0))))), o0);
            TLanes.Store(TLanes.MultiplyAdd(w13, v3, TLanes.MultiplyAdd(w12, v2, TLanes.MultiplyAdd(w11, v1, TLanes.MultiplyAdd(w10, v0, TLanes.Load(o1))))), o1);
            TLanes.Store(TLanes.MultiplyAdd(w23, v3, TLanes.MultiplyAdd(w22, v2, TLanes.MultiplyAdd(w21, v1, TLanes.MultiplyAdd(w20, v0, TLanes.Load(o2))))), o2);
            TLanes.Store(TLanes.MultiplyAdd(w33, v3, TLanes.MultiplyAdd(w32, v2, TLanes.MultiplyAdd(w31, v1, TLanes.MultiplyAdd(w30, v0, TLanes.Load(o3))))), o3);
        }

        FinishTile(weights, stride, rows, output, dim, 4, d);
    }

    // The elements from d on: fewer than a register.
    private static void FinishTile(float* weights, int stride, byte** rows, float* output, int dim, int queryCount, int d)
    {
        for (; d < dim; d++)
        {
            for (var r = 0; r < 4; r++)
            {
                var v = TCodec.Load<Lanes1, float>(rows[r], dim, d);
                for (var q = 0; q < queryCount; q++)
                    output[q * dim + d] = float.MultiplyAddEstimate(weights[(long)q * stride + r], v, output[q * dim + d]);
            }
        }
    }
}
