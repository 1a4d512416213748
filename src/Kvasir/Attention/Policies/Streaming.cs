namespace Kvasir.Attention.Policies;

/// <summary>
/// The first rows and the newest, and nothing between (StreamingLLM). Unlike the paper's cache, rows keep their own positions, since nothing is
/// evicted here: what a long context costs is measured against it.
/// </summary>
public sealed class Streaming(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "streaming", "the first tokens and a window of the newest", "StreamingLLM: Xiao et al. 2023, arXiv 2309.17453", "streaming:recent=1048576,min-context=0",
        static spec => new Streaming(spec), ExactZones.Options(sinks: 4, recent: 512, denseLayers: "none"))
    {
        Budgets = PolicyBudget.Of("recent", 128, 256, 512, 1024, 2048),
    };

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Nothing(Zones);

    private sealed class Nothing(ExactZones zones) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection) => false;
    }
}
