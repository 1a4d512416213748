using Kvasir.Attention.Heads;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>The keys and values of a batch in one layer, [rows, KV heads, dim] and [rows, KV heads, value dim], on their way into the cache.</summary>
internal readonly struct NewRows(NativeView keys, NativeView values, AttentionShape shape)
{
    private readonly NativeView _keys = keys;
    private readonly NativeView _values = values;

    /// <summary>Writes rows of the batch behind those of a head, and lets its selector index them.</summary>
    public void AppendTo(AttentionHead head, int kvHead, int firstRow, int rowCount)
    {
        var before = head.Rows.RowCount;
        for (var row = firstRow; row < firstRow + rowCount; row++)
        {
            var at = (((long)row * shape.KvHeadCount) + kvHead) * sizeof(float);
            head.Rows.Append(_keys.Span<float>(at * shape.Dim, shape.Dim), _values.Span<float>(at * shape.ValueDim, shape.ValueDim));
        }

        head.Append(before, rowCount);
    }
}
