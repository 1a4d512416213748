using System.Runtime.Intrinsics;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Vnni;

/// <summary>Kernels of q8 rows: those that meet few queries are multiplied in bytes.</summary>
internal sealed unsafe class VnniKernels : LaneKernels<KvQ8Codec, FloatLanes512, Vector512<float>>
{
    public override void Score(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        if (queryCount < FewQueries)
            VnniScores.Run(queries, queryCount, keys, rows, factor, scores, stride);
        else
            base.Score(queries, queryCount, keys, rows, factor, scores, stride);
    }

    public override void AddWeighted(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        if (queryCount < FewQueries)
            VnniValues.Run(weights, stride, values, rows, outputs, queryCount);
        else
            base.AddWeighted(weights, stride, values, rows, outputs, queryCount);
    }
}
