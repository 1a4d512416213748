namespace Kvasir.Attention.Ways;

/// <summary>A generated token attends what each head's selector selects: an item is a KV head, and workers that are free help with its rows.</summary>
/// <param name="readsAll">Whether every row in sight is read, and no selector asked.</param>
internal sealed class EachHead(bool readsAll) : AttentionWay
{
    public override bool TakesHelp => true;

    public override int ItemCount(in Segment segment, int kvHeadCount) => kvHeadCount;

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var attention = segment.Attention;
        var queries = work.Queries.Queries(segment.FirstRow, 1, item, scratch);
        var visible = work.Queries.Shape.Visible(segment.FirstPosition);
        var head = attention.Head(work.Layer, item);
        var watchers = readsAll ? default : work.WatchersOf(segment, item, scratch);
        var own = default(SelectionCounts);
        var sum = (readsAll ? head with { Selector = AllRows.Instance } : head).Attend(queries, visible, watchers, scratch, ref own);
        attention.CountReads(work.Layer, item, own.Reads);
        if (watchers.Comparison is not null)
            work.Audit(segment, item, new HeadQuery(head.Rows, queries, visible.First, visible.End, scratch.Selector), sum, scratch, ref own);
        work.Outputs.SetOutputs(segment.FirstRow, item, sum.Output);
        counts += own;
    }
}
