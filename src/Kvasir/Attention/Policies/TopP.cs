using Kvasir.Attention.Zones;

namespace Kvasir.Attention.Policies;

/// <summary>
/// As few rows as hold a share of the attention mass (top-p, as in Twilight, section 3), found by reading every key: the smallest budget that any
/// method with the same coverage could have. The mass is that of the rows between the exact zones.
/// </summary>
public sealed class TopP(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "topp", "as few keys as hold a share of the mass, found by reading all",
        "Twilight: Lin et al. 2025, arXiv 2502.02770", "topp:coverage=1,recent=8,min-context=0",
        static spec => new TopP(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Real("coverage", 0.95, 0, 1, "of the attention mass between the exact zones, for each query head")))
    {
        Budgets = PolicyBudget.Of("coverage", 0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
    };

    private readonly float _coverage = spec.Real("coverage");

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Covering(Zones, place, _coverage);

    private sealed class Covering(ExactZones zones, HeadPlace place, float coverage) : ExactScoresSelector(zones, place)
    {
        protected override float Threshold(Span<float> scores) => coverage >= 1 ? float.NegativeInfinity : LargestNumbers.Covering(scores, coverage);
    }
}
