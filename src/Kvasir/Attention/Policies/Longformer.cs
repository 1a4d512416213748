using Kvasir.Attention.Zones;

namespace Kvasir.Attention.Policies;

/// <summary>
/// A band and global rows (Longformer, section 3.1): the newest rows, before them every <c>dilation</c>-th as far as <c>window</c> rows of the band
/// reach, and the first rows as global ones. A static mask on models that were not trained with it.
/// </summary>
public sealed class Longformer(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "longformer", "a dilated band behind the newest tokens, and global first tokens",
        "Longformer: Beltagy et al. 2020, arXiv 2004.05150", "longformer:window=1048576,dilation=1,min-context=0",
        static spec => new Longformer(spec),
        ExactZones.Options(
            sinks: 16, recent: 64, denseLayers: "none",
            PolicyOption.Whole("window", 512, 0, 1 << 20, "tokens of the band"),
            PolicyOption.Whole("dilation", 2, 1, 4096, "distance between tokens of the band")))
    {
        Budgets = PolicyBudget.Of("window", 64, 256, 512, 1024, 2048),
    };

    private readonly int _window = spec.Whole("window");
    private readonly int _dilation = spec.Whole("dilation");

    public override bool SuitsFiles => true;

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Band(Zones, _window, _dilation);

    private sealed class Band(ExactZones zones, int window, int dilation) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var count = Math.Min(window, (middle.End - 1 - middle.First) / dilation + 1);
            if (dilation == 1)
                selection.AddRange(middle.End - count, count);
            for (var i = count - 1; i >= 0 && dilation > 1; i--)
                selection.Add(middle.End - 1 - i * dilation);
            return true;
        }
    }
}
