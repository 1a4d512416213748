using Kvasir.Attention.Marks;
using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Observation;

/// <summary>
/// The exact sum over a window of queries: their weights are kept, a row of the length of the context each, and summed anew for every choice. For short
/// contexts, and to hold <see cref="DecayedAttention"/> to.
/// </summary>
internal sealed class WindowAttention(HeadPlace place, int maxQueries) : CollectedAttention(place, marks: 0)
{
    // Those that newer ones have pushed out come back when these are taken back.
    private readonly int _most = maxQueries + place.TakeBack.Steps;
    private readonly NativePages _weights = new(place.MaxRows * sizeof(float), maxQueries + place.TakeBack.Steps);
    private readonly int[] _positions = new int[maxQueries + place.TakeBack.Steps];

    // Queries so far, and how many of the newest are here still.
    private int _all;
    private int _count;
    private int _promptRows;

    public override long Bytes => base.Bytes + _weights.Bytes;

    /// <summary>Bytes of a window of <paramref name="queries"/> rows of weights.</summary>
    public static long BytesOf(HeadPlace place, int queries) => (long)place.MaxRows * queries * sizeof(float);

    public override void EndPrompt(int rows) => _promptRows = rows;

    public override void Mark(int rows)
    {
    }

    public override void Begin(int position, int windowRows)
    {
        (_all, _count) = (_all + 1, Math.Min(_count + 1, _most));
        _positions[Place(0)] = position;
        _weights.Reserve(Place(0) + 1);
        Newest(0)[..(position + 1)].Clear();
    }

    public override void Truncate(int rows)
    {
        base.Truncate(rows);
        var entersPrompt = rows < _promptRows || (_promptRows == 0 && _count > 0 && _positions[Place(0)] >= rows);
        for (; _count > 0 && (entersPrompt || _positions[Place(0)] >= rows); _count--)
            _all--;
        if (entersPrompt)
            (_all, _promptRows) = (0, 0);
        _weights.Truncate(Math.Min(_all, _most));
    }

    public override void Edited(RowEdit edit)
    {
        base.Edited(edit);
        _promptRows = edit.KeptBefore(_promptRows);
        for (var back = 0; back < _count; back++)
        {
            ref var position = ref _positions[Place(back)];
            var weights = Newest(back);
            var rows = edit.KeptBefore(position + 1);
            for (var (i, to) = (0, 0); to < rows; i++)
            {
                var (first, count) = edit.Kept(i);
                weights.Slice(first, Math.Min(count, rows - to)).CopyTo(weights[to..]);
                to += count;
            }

            // A query whose own row is gone is the newest of those that are left before it.
            position = rows - 1;
        }
    }

    public override void Settle(int windowRows)
    {
        for (var page = 0; page < Sums.PageCount; page++)
            Sums.Page(page).Clear();
        for (var back = 0; back < Math.Min(windowRows, _count); back++)
        {
            var position = _positions[Place(back)];
            var weights = Newest(back)[..(position + 1)];
            for (var row = 0; row < weights.Length; row += MarkedSums.PageRows)
            {
                var part = weights[row..Math.Min(weights.Length, row + MarkedSums.PageRows)];
                VectorMath.Add(part, Sums.From(row)[..part.Length]);
            }
        }
    }

    protected override Span<float> Target(int row) => Newest(0)[row..];

    protected override void Dispose(bool disposing)
    {
        _weights.Dispose();
        base.Dispose(disposing);
    }

    // Of the query that came so many before the newest.
    private int Place(int back) => (_all - 1 - back) % _most;

    // Its weights: [MaxRows].
    private Span<float> Newest(int back) => _weights.Page<float>(Place(back));
}
