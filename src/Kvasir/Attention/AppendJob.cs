using Kvasir.Kernels.Memory;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>Writes a layer's new keys and values into the cache and lets each head's selector index them.</summary>
internal sealed class AppendJob(AttentionShape shape) : ParallelJob
{
    // Below this many values a fan-out costs more than the copying.
    private const int ParallelValues = 1 << 15;
    private Batch _batch = null!;
    private NativeView _keys;
    private NativeView _values;
    private int _layer;

    /// <param name="keys">[rows, KV heads, dim]</param>
    /// <param name="values">[rows, KV heads, dim]</param>
    public void Run(WorkerPool pool, Batch batch, int layer, NativeView keys, NativeView values)
    {
        (_batch, _layer, _keys, _values) = (batch, layer, keys, values);
        var items = batch.Segments.Length * shape.KvHeadCount;
        if ((batch.RowCount + ReusedRows(batch)) * (long)shape.KvHeadCount * shape.Dim >= ParallelValues)
        {
            pool.Run(this, items);
            return;
        }

        for (var item = 0; item < items; item++)
            Execute(item, 0);
    }

    public override void Execute(int item, int worker)
    {
        var segment = _batch.Segments[item / shape.KvHeadCount];
        if (segment.Attention.Fault is not null)
            return;
        try
        {
            Append(segment, item % shape.KvHeadCount);
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
        }
    }

    private void Append(in Segment segment, int kvHead)
    {
        var head = segment.Attention.Head(_layer, kvHead);
        var first = head.Rows.RowCount;
        Invariant.Holds(head.Rows.NextPosition == segment.FirstPosition);
        if (segment.IndexesReused)
            head.Append(0, first);
        for (var row = segment.FirstRow; row < segment.FirstRow + segment.RowCount; row++)
        {
            var offset = (((long)row * shape.KvHeadCount) + kvHead) * shape.Dim * sizeof(float);
            head.Rows.Append(_keys.Span<float>(offset, shape.Dim), _values.Span<float>(offset, shape.Dim));
        }

        head.Append(first, segment.RowCount);
    }

    private static int ReusedRows(Batch batch)
    {
        var rows = 0;
        foreach (var segment in batch.Segments)
            rows += segment.IndexesReused ? segment.FirstPosition : 0;
        return rows;
    }
}
