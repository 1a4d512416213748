using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;

namespace OwnPolicy;

/// <summary>Reads every n-th key between the first and the newest ones: a policy of an assembly that Kvasir knows nothing of.</summary>
public sealed class EveryOther(PolicySpec spec) : SparsePolicy(spec)
{
    /// <summary>The row of the catalogue: what is typed, what it may be, and what makes it read everything.</summary>
    public static readonly PolicyEntry Entry = new(
        "every-other", "every n-th key between the first and the newest ones", "a sample", "every-other:step=1,min-context=0",
        static spec => new EveryOther(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Whole("step", 2, 1, 1024, "distance between keys that are read")))
    {
        Budgets = PolicyBudget.Of("step", 32, 16, 8, 4, 2),
    };

    private readonly int _step = spec.Whole("step");

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Rows(Zones, _step);

    private sealed class Rows(ExactZones zones, int step) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            for (var row = middle.First; row < middle.End; row += step)
                selection.Add(row);
            return true;
        }
    }
}
