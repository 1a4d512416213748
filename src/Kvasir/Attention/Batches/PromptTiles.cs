using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Batches;

/// <summary>Rows of a prompt attend densely, in tiles of consecutive positions: an item is a tile in one KV head.</summary>
internal sealed class PromptTiles(int tilePositions) : AttentionWay
{
    public override int ItemCount(in Segment segment, int kvHeadCount) => kvHeadCount * ((segment.RowCount + tilePositions - 1) / tilePositions);

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var shape = work.Queries.Shape;
        var (kvHead, first) = (item % shape.KvHeadCount, item / shape.KvHeadCount * tilePositions);
        var queries = work.Queries.Queries(segment.FirstRow + first, Math.Min(tilePositions, segment.RowCount - first), kvHead, scratch);
        var rows = segment.Attention.Head(work.Layer, kvHead).Rows;
        work.Outputs.SetOutputs(segment.FirstRow + first, kvHead, HeadAttention.Prefill(rows, queries, shape, segment.FirstPosition + first, scratch));
    }
}
