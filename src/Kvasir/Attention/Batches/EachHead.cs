using Kvasir.Attention.Heads;

namespace Kvasir.Attention.Batches;

/// <summary>Generated tokens attend what each head's selector selects: an item is a KV head, and workers that are free help with its rows.</summary>
/// <param name="readsAll">Whether every row in sight is read, and no selector asked.</param>
internal sealed class EachHead(bool readsAll) : AttentionWay
{
    public override bool TakesHelp => true;

    public override bool AppendsCandidates => true;

    public override int ItemCount(in Segment segment, int kvHeadCount) => kvHeadCount;

    public override void Run(in LayerWork work, in Segment segment, int item, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var head = segment.Attention.Head(work.Layer, item);
        for (var row = 0; row < segment.RowCount; row++)
        {
            if (row > 0)
                work.AppendCandidate(head, item, segment.FirstRow + row, scratch);
            Attend(work, segment, head, (item, row), scratch, ref counts);
        }
    }

    private void Attend(
        in LayerWork work, in Segment segment, AttentionHead head, (int KvHead, int Row) place, AttentionScratch scratch, ref SelectionCounts counts)
    {
        var (attention, (kvHead, row)) = (segment.Attention, place);
        var queries = work.Queries.Queries(segment.FirstRow + row, 1, kvHead, scratch);
        var visible = work.Queries.Shape.Visible(segment.FirstPosition + row);
        var watchers = readsAll ? default : work.WatchersOf(attention, segment.FirstPosition + row, kvHead, scratch);
        var own = default(SelectionCounts);
        var sum = (readsAll ? head with { Selector = AllRows.Instance } : head).Attend(queries, visible, watchers, scratch, ref own);
        attention.CountReads(work.Layer, kvHead, own.Reads);
        if (watchers.Comparison is not null)
            work.Audit(segment, place, new HeadQuery(head.Rows, queries, visible.First, visible.End, scratch.Selector), sum, scratch, ref own);
        work.Outputs.SetOutputs(segment.FirstRow + row, kvHead, sum.Output);
        counts += own;
    }
}
