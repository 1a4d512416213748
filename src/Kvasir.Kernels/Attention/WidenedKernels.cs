using System.Runtime.CompilerServices;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention;

/// <summary>Rows are widened, a few at a time, and read by the kernels of floats: twice the work, and nothing to write but the widening.</summary>
/// <param name="floats">Kernels of f32, which are those of another class.</param>
internal abstract unsafe class WidenedKernels(RowKernels floats) : RowKernels
{
    private const int WidenedRows = 32;

    [SkipLocalsInit]
    public override void Score(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride)
    {
        var blockCount = RowBlocks.Count(keys.Dim);
        var scratch = stackalloc byte[WidenedRows * blockCount * RowBlocks.Elements * sizeof(float) + CacheLines.Bytes];
        var page = (nint)CacheLines.Align(scratch);
        var widened = PagedRows.Alone(new ReadOnlySpan<nint>(ref page), WidenedRows, RowCodec.F32, keys.Dim);
        for (var i = 0; i < rows.Count; i += WidenedRows)
        {
            var count = Math.Min(WidenedRows, rows.Count - i);
            Widen(keys, rows, i, count, (float*)page);
            floats.Score(queries, queryCount, widened, new RowSet(0, count), factor, scores + i, stride);
        }
    }

    [SkipLocalsInit]
    public override void AddWeighted(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount)
    {
        var blockCount = RowBlocks.Count(values.Dim);
        var scratch = stackalloc byte[WidenedRows * blockCount * RowBlocks.Elements * sizeof(float) + CacheLines.Bytes];
        var page = (nint)CacheLines.Align(scratch);
        var widened = PagedRows.Alone(new ReadOnlySpan<nint>(ref page), WidenedRows, RowCodec.F32, values.Dim);
        for (var i = 0; i < rows.Count; i += WidenedRows)
        {
            var count = Math.Min(WidenedRows, rows.Count - i);
            Widen(values, rows, i, count, (float*)page);
            floats.AddWeighted(weights + i, stride, widened, new RowSet(0, count), outputs, queryCount);
        }
    }

    private void Widen(PagedRows source, RowSet rows, int first, int count, float* widened)
    {
        var blockCount = RowBlocks.Count(source.Dim);
        for (var i = 0; i < count; i++, widened += blockCount * RowBlocks.Elements)
            Widen(source.Row(rows[first + i], out _), blockCount, widened);
    }
}
