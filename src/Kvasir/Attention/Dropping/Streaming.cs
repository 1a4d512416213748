using Kvasir.Attention.Zones;
using Kvasir.Cache;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// The first rows and the newest, and nothing between (StreamingLLM): what lies between is dropped, and its memory freed. The rows of a prompt are all there
/// until it is over, since they attend densely. Unlike in the paper, whose positions are places in the cache, rows keep their own positions: their keys are
/// stored rotated.
/// </summary>
public sealed class Streaming(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "streaming", "the first tokens and a window of the newest",
        "StreamingLLM: Xiao et al. 2023, arXiv 2309.17453", "streaming:recent=1048576,min-context=0",
        static spec => new Streaming(spec), ExactZones.Options(sinks: 4, recent: 512, denseLayers: "none"))
    {
        Effect = PolicyEffect.Drop,
        Budgets = PolicyBudget.Of("recent", 128, 256, 512, 1024, 2048),
    };

    public override bool DropsRows => true;

    public override (int OldestEnd, int NewestFirst)? KeptAt(int layer, (int First, int End) visible)
    {
        var (first, end) = Zones.Middle(visible.First, visible.End);
        return first == end || Zones.DenseLayers.Contains(layer) ? (0, 0) : (Zones.Sinks, end);
    }

    protected override int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows) => middle.End - Zones.Sinks;

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Nothing(Zones);

    private sealed class Nothing(ExactZones zones) : ZonedSelector(zones)
    {
        public override int DroppableRows(KvHead head, (int First, int End) visible)
        {
            var (first, end) = Dropped(head, visible);
            return end - first;
        }

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var (first, end) = Dropped(head, visible);
            edit.Drop(first, end - first);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection) => false;

        // What a sliding window has left behind is between the zones too.
        private (int First, int End) Dropped(KvHead head, (int First, int End) visible)
        {
            var (first, end) = Zones.Middle(visible.First, visible.End);
            return first < end ? (head.RowAt(Zones.Sinks), head.RowAt(end)) : (0, 0);
        }
    }
}
