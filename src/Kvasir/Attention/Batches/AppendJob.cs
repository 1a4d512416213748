using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Writes a layer's new keys and values into the cache and lets each head's selector index them, as far as the way to attend does not do so itself.
/// </summary>
/// <param name="ways">[segments]: how each attends; null for one that has a fault.</param>
internal sealed class AppendJob(AttentionShape shape, AttentionWay?[] ways) : ParallelJob
{
    // Below this many values a fan-out costs more than the copying.
    private const int ParallelValues = 1 << 15;
    private Batch _batch = null!;
    private LayerWork _work;

    public void Run(WorkerPool pool, Batch batch, in LayerWork work)
    {
        (_batch, _work) = (batch, work);
        var items = batch.Segments.Length * shape.KvHeadCount;
        if (batch.RowCount * (long)shape.KvHeadCount * shape.Dim >= ParallelValues)
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
        if (segment.Attention.Fault is not null || ways[item / shape.KvHeadCount] is not { } way)
            return;
        try
        {
            Append(segment, item % shape.KvHeadCount, way.AppendsCandidates ? 1 : segment.RowCount);
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
        }
    }

    private void Append(in Segment segment, int kvHead, int rowCount)
    {
        var head = segment.Attention.Head(_work.Layer, kvHead);
        Invariant.Holds(head.Rows.NextPosition == segment.FirstPosition);
        _work.Rows.AppendTo(head, kvHead, segment.FirstRow, rowCount);
    }
}
