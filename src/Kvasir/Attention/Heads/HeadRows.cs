using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Heads;

/// <summary>Queries or outputs of a batch, [rows, heads, dim or value dim], as KV heads see them: the query heads that share one lie side by side.</summary>
internal readonly struct HeadRows(NativeView rows, AttentionShape shape)
{
    private readonly NativeView _rows = rows;

    public AttentionShape Shape { get; } = shape;

    /// <summary>Copies the queries of one KV head into the scratch, scaled as the scores are, and the sinks of its heads.</summary>
    /// <returns>[<paramref name="rowCount"/>, group, dim]</returns>
    public Span<float> Queries(int firstRow, int rowCount, int kvHead, AttentionScratch scratch)
    {
        var queries = scratch.Queries(rowCount * Shape.GroupHeads);
        var width = Shape.GroupHeads * Shape.Dim;
        for (var row = 0; row < rowCount; row++)
            Group(firstRow + row, kvHead, width).CopyTo(queries.Slice(row * width, width));
        VectorMath.Scale(queries, Shape.ScoreScale);
        scratch.Sinks = Shape.SinksOf(kvHead);
        return queries;
    }

    /// <summary>Writes the outputs of one KV head.</summary>
    /// <param name="outputs">[rows, group, value dim]</param>
    public void SetOutputs(int firstRow, int kvHead, ReadOnlySpan<float> outputs)
    {
        var width = Shape.GroupHeads * Shape.ValueDim;
        for (var at = 0; at < outputs.Length; at += width)
            outputs.Slice(at, width).CopyTo(Group(firstRow + (at / width), kvHead, width));
    }

    private Span<float> Group(int row, int kvHead, int width) =>
        _rows.Span<float>((((long)row * Shape.KvHeadCount) + kvHead) * width * sizeof(float), width);
}
