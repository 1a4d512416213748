using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Batches;

/// <summary>
/// A generated token and candidates behind it, which all read every row in sight: a row is read once for the queries of all. An item is a KV head, and workers
/// that are free help with its rows.
/// </summary>
internal sealed class RowsTogether : AttentionWay
{
    public override bool TakesHelp => true;

    public override int ItemCount(in Segment segment, int kvHeadCount) => kvHeadCount;

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var (shape, attention) = (work.Queries.Shape, segment.Attention);
        var rows = attention.Head(work.Layer, item).Rows;
        var queries = work.Queries.Queries(segment.FirstRow, segment.RowCount, item, scratch);
        var sum = HeadAttention.DecodeAll(rows, queries, shape, segment.FirstPosition, scratch);
        work.Outputs.SetOutputs(segment.FirstRow, item, sum.Output);
        for (var position = segment.FirstPosition; position < segment.EndPosition; position++)
        {
            var (first, end) = shape.Visible(position);
            var reads = new LayerReads(rows.RowAt(end) - rows.RowAt(first), end - first, 0);
            attention.CountReads(work.Layer, item, reads);
            counts += new SelectionCounts { Reads = reads };
        }
    }
}
