using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Observation;

/// <summary>
/// The exact sum over a window of queries: their weights are kept, a row of the length of the context each, and summed anew for every choice. For short contexts,
/// and to hold <see cref="DecayedAttention"/> to.
/// </summary>
internal sealed class WindowAttention(HeadPlace place, int maxQueries) : CollectedAttention(place)
{
    private readonly NativePages _weights = new(place.MaxRows * sizeof(float), maxQueries);
    private readonly int[] _positions = new int[maxQueries];
    private int _newest = -1;
    private int _count;

    public override long Bytes => base.Bytes + _weights.Bytes;

    /// <summary>Bytes of a window of <paramref name="queries"/> rows of weights.</summary>
    public static long BytesOf(HeadPlace place, int queries) => (long)place.MaxRows * queries * sizeof(float);

    public override void Begin(int position, int windowRows)
    {
        _newest = (_newest + 1) % maxQueries;
        _count = Math.Min(_count + 1, maxQueries);
        _positions[_newest] = position;
        _weights.Reserve(_newest + 1);
        Newest(0)[..(position + 1)].Clear();
    }

    public override void Truncate(int rows)
    {
        base.Truncate(rows);
        while (_count > 0 && _positions[_newest] >= rows)
        {
            _newest = (_newest + maxQueries - 1) % maxQueries;
            _count--;
        }
    }

    public override void Settle(int windowRows)
    {
        for (var page = 0; page < Sums.Count; page++)
            Sums.Page<float>(page).Clear();
        for (var back = 0; back < Math.Min(windowRows, _count); back++)
        {
            var position = _positions[(_newest + maxQueries - back) % maxQueries];
            var weights = Newest(back)[..(position + 1)];
            for (var row = 0; row < weights.Length; row += PageRows)
            {
                var part = weights[row..Math.Min(weights.Length, row + PageRows)];
                VectorMath.Add(part, Page(row)[..part.Length]);
            }
        }
    }

    protected override Span<float> Target(int row) => Newest(0)[row..];

    protected override void Dispose(bool disposing)
    {
        _weights.Dispose();
        base.Dispose(disposing);
    }

    // The weights of the query that came so many before the newest: [MaxRows].
    private Span<float> Newest(int back) => _weights.Page<float>((_newest + maxQueries - back) % maxQueries);
}
