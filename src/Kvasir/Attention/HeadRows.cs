using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>Queries or outputs of a batch, [rows, heads, dim], as KV heads see them: the query heads that share one lie side by side.</summary>
internal readonly struct HeadRows(NativeView rows, AttentionShape shape)
{
    private readonly NativeView _rows = rows;

    public AttentionShape Shape { get; } = shape;

    private int GroupValues => Shape.GroupHeads * Shape.Dim;

    /// <summary>Copies the queries of one KV head into the scratch, scaled by 1/sqrt(dim).</summary>
    /// <returns>[<paramref name="rowCount"/>, group, dim]</returns>
    public Span<float> Queries(int firstRow, int rowCount, int kvHead, AttentionScratch scratch)
    {
        var queries = scratch.Queries(rowCount * Shape.GroupHeads);
        for (var row = 0; row < rowCount; row++)
            Group(firstRow + row, kvHead).CopyTo(queries.Slice(row * GroupValues, GroupValues));
        VectorMath.Scale(queries, 1 / MathF.Sqrt(Shape.Dim));
        return queries;
    }

    /// <summary>Writes the outputs of one KV head.</summary>
    /// <param name="outputs">[rows, group, dim]</param>
    public void SetOutputs(int firstRow, int kvHead, ReadOnlySpan<float> outputs)
    {
        for (var at = 0; at < outputs.Length; at += GroupValues)
            outputs.Slice(at, GroupValues).CopyTo(Group(firstRow + (at / GroupValues), kvHead));
    }

    // [group, dim]
    private Span<float> Group(int row, int kvHead) =>
        _rows.Span<float>((((long)row * Shape.KvHeadCount) + kvHead) * GroupValues * sizeof(float), GroupValues);
}
