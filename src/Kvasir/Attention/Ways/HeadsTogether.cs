namespace Kvasir.Attention.Ways;

/// <summary>A generated token attends what the selectors of a layer decide together: one item is the layer, and workers that are free help with its
/// rows.</summary>
internal sealed class HeadsTogether : AttentionWay
{
    public override bool TakesHelp => true;

    public override int ItemCount(in Segment segment, int kvHeadCount) => 1;

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var (layer, visible, attention) = (scratch.Layer!, work.Queries.Shape.Visible(segment.FirstPosition), segment.Attention);
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
        {
            work.Queries.Queries(segment.FirstRow, 1, kvHead, layer.Scratch(kvHead));
            layer.Set(kvHead, attention.Head(work.Layer, kvHead), work.WatchersOf(segment, kvHead, layer.Scratch(kvHead)));
        }

        HeadAttention.DecodeTogether(layer, visible);
        for (var kvHead = 0; kvHead < layer.KvHeadCount; kvHead++)
        {
            attention.CountReads(work.Layer, kvHead, layer.Counts(kvHead).Reads);
            if (layer.Watchers(kvHead).Comparison is not null)
                work.Audit(segment, kvHead, layer.Query(kvHead, visible), layer.Sum(kvHead), layer.Scratch(kvHead), ref layer.Counts(kvHead));
            work.Outputs.SetOutputs(segment.FirstRow, kvHead, layer.Sum(kvHead).Output);
            counts += layer.Counts(kvHead);
        }
    }
}
