using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Observation;

/// <summary>
/// Sums that fade by 1 - 1/rows with every query, as if a window of so many rows had soft edges (alisa.md, 2.5). Nothing is multiplied when a query comes: its
/// weights are added in a unit that grows instead, and only ratios of sums are of interest.
/// </summary>
internal sealed class DecayedAttention(HeadPlace place) : CollectedAttention(place)
{
    // Beyond this the sums are divided by the unit, long before they could overflow.
    private const float LargestUnit = 1e12f;

    public override void Begin(int position, int windowRows)
    {
        // A window of one row forgets everything: the unit becomes infinite, and its inverse 0.
        Unit /= 1 - 1f / windowRows;
        if (Unit <= LargestUnit)
            return;
        for (var page = 0; page < Sums.Count; page++)
            VectorMath.Scale(Sums.Page<float>(page), 1 / Unit);
        Unit = 1;
    }

    public override void Settle(int windowRows)
    {
    }

    protected override Span<float> Target(int row) => Page(row);
}
