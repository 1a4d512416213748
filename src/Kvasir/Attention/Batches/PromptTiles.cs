using Kvasir.Attention.Heads;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>Rows of a prompt attend densely, in tiles of consecutive positions: an item is a tile in one KV head.</summary>
internal sealed class PromptTiles(int tilePositions) : AttentionWay
{
    public override int ItemCount(in Segment segment, int kvHeadCount) => kvHeadCount * ((segment.RowCount + tilePositions - 1) / tilePositions);

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var shape = work.Queries.Shape;
        // The tiles of one head follow each other: they read the same rows.
        var (kvHead, tile) = Math.DivRem(item, (segment.RowCount + tilePositions - 1) / tilePositions);
        var first = tile * tilePositions;
        var queries = work.Queries.Queries(segment.FirstRow + first, Math.Min(tilePositions, segment.RowCount - first), kvHead, scratch);
        var rows = segment.Attention.Head(work.Layer, kvHead).Rows;
        using var pins = rows.Pin((0, segment.EndPosition));
        if (tile == 0 && rows.Paged is not null)
            AskForNext(segment, shape, work.Layer, kvHead);
        work.Outputs.SetOutputs(segment.FirstRow + first, kvHead, HeadAttention.Prefill(rows, queries, shape, segment.FirstPosition + first, scratch));
    }

    // What comes next is read while this is attended.
    private static void AskForNext(in Segment segment, AttentionShape shape, int layer, int kvHead)
    {
        var (nextLayer, nextHead) = kvHead + 1 < shape.KvHeadCount ? (layer, kvHead + 1) : (layer + 1, 0);
        if (nextLayer < shape.LayerCount)
            segment.Attention.Head(nextLayer, nextHead).Rows.Paged!.Ask(segment.FirstPosition);
    }
}
