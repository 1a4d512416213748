using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Kernels.Attention;

/// <summary>What reads rows of one codec, by one width of vectors. The caller has checked lengths, and there is at least one row and one query.</summary>
internal abstract unsafe class RowKernels
{
    /// <summary>scores[q * stride + i] = factor * dot(queries[q], key of the i-th row).</summary>
    /// <param name="queries">[queryCount, keys.Dim]</param>
    public abstract void Score(float* queries, int queryCount, PagedRows keys, RowSet rows, float factor, float* scores, int stride);

    /// <summary>outputs[q, d] += sum over i of weights[q * stride + i] * (value of the i-th row)[d].</summary>
    /// <param name="outputs">[queryCount, values.Dim]</param>
    public abstract void AddWeighted(float* weights, int stride, PagedRows values, RowSet rows, float* outputs, int queryCount);

    /// <summary>Reads one row, its padding too.</summary>
    /// <param name="row">[blockCount * <see cref="RowBlocks.Elements"/>]</param>
    public abstract void Widen(StoredRow stored, int blockCount, float* row);
}
