using Kvasir.Attention.Zones;

namespace Kvasir.Attention.Policies;

/// <summary>
/// The rows with the largest scores, which takes reading every key: not a way to save time but the yardstick for those that guess the scores. Each
/// query head has its own rows; the group reads their union, and a head leaves out what only others chose.
/// </summary>
public sealed class TopK(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "topk", "the keys with the largest scores, found by reading all",
        "exact top-k, the yardstick of Quest and MagicPIG", "topk:share=1,recent=8,min-context=0",
        static spec => new TopK(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Real("share", 0.02, 0, 1, "of the tokens between the exact zones, for each query head")))
    {
        Budgets = PolicyBudget.Of("share", 0.005, 0.01, 0.02, 0.05, 0.1),
    };

    private readonly float _share = spec.Real("share");

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Best(Zones, place, _share);

    private sealed class Best(ExactZones zones, HeadPlace place, float share) : ExactScoresSelector(zones, place)
    {
        // The score of the last row that is chosen.
        protected override float Threshold(Span<float> scores) => LargestNumbers.Largest(scores, (int)MathF.Ceiling(share * scores.Length));
    }
}
