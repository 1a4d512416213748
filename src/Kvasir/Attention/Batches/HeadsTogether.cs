using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Generated tokens attend what the selectors of a layer decide together: one item is the layer, and workers that are free help with its rows.
/// </summary>
internal sealed class HeadsTogether : AttentionWay
{
    public override bool TakesHelp => true;

    public override bool AppendsCandidates => true;

    public override int ItemCount(in Segment segment, int kvHeadCount) => 1;

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        for (var row = 0; row < segment.RowCount; row++)
        {
            Take(work, segment, row, scratch.Layer!);
            var visible = work.Queries.Shape.Visible(segment.FirstPosition + row);
            HeadAttention.DecodeTogether(scratch.Layer!, visible);
            Give(work, segment, row, visible, scratch.Layer!, ref counts);
        }
    }

    private static void Take(in LayerWork work, in Segment segment, int row, LayerScratch layer)
    {
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
        {
            var head = segment.Attention.Head(work.Layer, kvHead);
            if (row > 0)
                work.AppendCandidate(head, kvHead, segment.FirstRow + row, layer.Scratch(kvHead));
            work.Queries.Queries(segment.FirstRow + row, 1, kvHead, layer.Scratch(kvHead));
            layer.Set(kvHead, head, work.WatchersOf(segment.Attention, segment.FirstPosition + row, kvHead, layer.Scratch(kvHead)));
        }
    }

    private static void Give(in LayerWork work, in Segment segment, int row, (int First, int End) visible, LayerScratch layer, ref SelectionCounts counts)
    {
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
        {
            segment.Attention.CountReads(work.Layer, kvHead, layer.Counts(kvHead).Reads);
            if (layer.Watchers(kvHead).Comparison is not null)
                work.Audit(segment, (kvHead, row), layer.Query(kvHead, visible), layer.Sum(kvHead), layer.Scratch(kvHead), ref layer.Counts(kvHead));
            work.Outputs.SetOutputs(segment.FirstRow + row, kvHead, layer.Sum(kvHead).Output);
            counts += layer.Counts(kvHead);
        }
    }
}
