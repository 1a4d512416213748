using Kvasir.Attention.Marks;
using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Observation;

/// <summary>
/// Sums that fade by 1 - 1/rows with every query, as if a window of so many rows had soft edges: one number a row, where a window proper
/// (ALISA, algorithm 1) keeps every row's weights of all its queries. Nothing is multiplied when a query comes: its weights are added in a unit that grows
/// instead, and only ratios of sums are of interest.
/// </summary>
internal sealed class DecayedAttention(HeadPlace place) : CollectedAttention(place, place.TakeBack.Marks)
{
    // Beyond this the sums are divided by the unit, long before they could overflow.
    private const float LargestUnit = 1e12f;
    private readonly MarkedState _unit = new(1, initial: 1, place.TakeBack.Marks);

    protected override float Unit => _unit.Values[0];

    public override void EndPrompt(int rows)
    {
        base.EndPrompt(rows);
        _unit.EndPrompt(rows);
    }

    public override void Mark(int rows)
    {
        Sums.Mark(rows);
        _unit.Mark(rows);
    }

    public override void Truncate(int rows)
    {
        base.Truncate(rows);
        _unit.Truncate(rows);
    }

    public override void Edited(RowEdit edit)
    {
        base.Edited(edit);
        _unit.Edited(edit);
    }

    public override void Begin(int position, int windowRows)
    {
        Sums.Learn(position + 1);
        ref var unit = ref _unit.Learn(position + 1)[0];
        // A window of one row forgets everything: the unit becomes infinite, and its inverse 0.
        unit /= 1 - 1f / windowRows;
        if (unit <= LargestUnit)
            return;
        for (var page = 0; page < Sums.PageCount; page++)
            VectorMath.Scale(Sums.Page(page), 1 / unit);
        unit = 1;
    }

    public override void Settle(int windowRows)
    {
    }

    protected override Span<float> Target(int row) => Sums.From(row);
}
