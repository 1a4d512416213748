using Kvasir.Kernels.Attention;

namespace Kvasir.Attention;

/// <summary>
/// How far one query has read ranked blocks: which were taken, and the log of the attention mass of each for every query head. Everything that grows with the
/// context lies in the worker's scratch.
/// </summary>
internal sealed class BlockProgress(int groupHeads)
{
    private const int NotTaken = -1;
    private const int FewestToAverage = 8;
    private const int MostToFit = 64;
    private const float MostVariance = 2;
    private SelectorScratch? _scratch;
    private int _first;
    private int _count;
    private int _blockRows;

    /// <summary>Blocks that were read.</summary>
    public int Taken { get; private set; }

    /// <summary>Blocks that were not.</summary>
    public int Left => _count - Taken;

    /// <summary>[group, blocks]: what <see cref="Rank"/> ranks by.</summary>
    public Span<float> HeadScores => Floats(2, groupHeads);

    // The best score of any head; a copy to be put in another order; scores of heads; log masses of heads, in the order of taking.
    private Span<float> Best => Floats(0, 1);

    private Span<float> Copy => Floats(1, 1);

    // The place of a block in the order of taking, and the block of each place.
    private Span<int> Places => _scratch!.Whole(2 * _count)[.._count];

    private Span<int> BlockAt => _scratch!.Whole(2 * _count)[_count..];

    /// <summary>Starts on the blocks [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>).</summary>
    public void Begin(SelectorScratch scratch, int first, int count, int blockRows)
    {
        (_scratch, _first, _count, _blockRows, Taken) = (scratch, first, count, blockRows, 0);
        Places.Fill(NotTaken);
    }

    /// <summary>A block is worth what it is to the head that wants it most.</summary>
    public void Rank()
    {
        var best = Best;
        var scores = HeadScores;
        scores[.._count].CopyTo(best);
        for (var head = 1; head < groupHeads; head++)
        {
            for (var block = 0; block < _count; block++)
                best[block] = MathF.Max(best[block], scores[head * _count + block]);
        }
    }

    /// <summary>Selects the rows of the best <paramref name="wanted"/> blocks that are left, or of all that are; equal ones in the order of rows.</summary>
    public void Take(int wanted, KvSelection selection)
    {
        var best = Best;
        var copy = Copy;
        var places = Places;
        var order = BlockAt;
        var left = 0;
        for (var block = 0; block < _count; block++)
        {
            if (places[block] == NotTaken)
                copy[left++] = best[block];
        }

        wanted = Math.Min(wanted, left);
        var threshold = wanted == 0 ? 0 : Order.Largest(copy[..left], wanted);
        for (var pass = 0; pass < 2; pass++)
        {
            for (var block = 0; block < _count && wanted > 0; block++)
            {
                // Those above the threshold first: of equal ones there may be more than are wanted.
                if (places[block] != NotTaken || !(pass == 0 ? best[block] > threshold : !(best[block] < threshold)))
                    continue;
                (places[block], order[Taken]) = (Taken, block);
                for (var head = 0; head < groupHeads; head++)
                    LogMasses(head)[Taken] = float.NegativeInfinity;
                Taken++;
                wanted--;
                for (var row = 0; row < _blockRows; row++)
                    selection.Add((_first + block) * _blockRows + row);
            }
        }
    }

    /// <summary>Adds the weights of rows to the masses of their blocks; rows of no block are passed over.</summary>
    /// <param name="scores">[group, stride]</param>
    public void Add(in RowSet rows, ReadOnlySpan<float> scores, int stride)
    {
        for (var at = 0; at < rows.Count;)
        {
            var block = rows[at] / _blockRows - _first;
            var end = at + 1;
            while (end < rows.Count && rows[end] / _blockRows - _first == block)
                end++;
            if ((uint)block < (uint)_count && Places[block] != NotTaken)
            {
                for (var head = 0; head < groupHeads; head++)
                {
                    ref var mass = ref LogMasses(head)[Places[block]];
                    mass = LogSum(mass, scores.Slice(head * stride + at, end - at));
                }
            }

            at = end;
        }
    }

    /// <summary>The share of the estimated mass that was read, of the head that has read least.</summary>
    /// <param name="sum">Of all rows read.</param>
    /// <param name="lastGroup">Blocks of the last group.</param>
    public float Coverage(in SoftmaxSum sum, TailEstimate estimate, int lastGroup)
    {
        var least = 1f;
        for (var head = 0; head < groupHeads; head++)
        {
            var tail = Left == 0 ? 0 : Tail(head, sum.Max[head], estimate, lastGroup);
            least = MathF.Min(least, sum.Mass[head] / (sum.Mass[head] + tail));
        }

        return least;
    }

    // In units of e^max, as the mass of a sum is.
    private float Tail(int head, float max, TailEstimate estimate, int lastGroup)
    {
        var masses = LogMasses(head)[..Taken];
        if (estimate == TailEstimate.Fit)
            return Fitted(masses, max);
        if (estimate == TailEstimate.MinTimesLeft)
        {
            var smallest = float.PositiveInfinity;
            foreach (var mass in masses)
                smallest = MathF.Min(smallest, mass);
            return Left * MathF.Exp(smallest - max);
        }

        var last = masses[^Math.Min(Taken, Math.Max(FewestToAverage, lastGroup))..];
        var all = 0f;
        foreach (var mass in last)
            all += MathF.Exp(mass - max);
        return Left * all / last.Length;
    }

    private float Fitted(ReadOnlySpan<float> masses, float max)
    {
        var best = Best;
        var places = Places;
        var order = BlockAt;
        var (first, n) = (Math.Max(0, Taken - MostToFit), Math.Min(Taken, MostToFit));
        var (meanScore, meanMass) = (0.0, 0.0);
        for (var i = first; i < Taken; i++)
            (meanScore, meanMass) = (meanScore + best[order[i]] / (double)n, meanMass + masses[i] / (double)n);
        var (spread, slope, variance) = (0.0, 0.0, 0.0);
        for (var i = first; i < Taken; i++)
        {
            var (x, y) = (best[order[i]] - meanScore, masses[i] - meanMass);
            (spread, slope, variance) = (spread + x * x, slope + x * y, variance + y * y / n);
        }

        slope = spread > 0 ? Math.Clamp(slope / spread, 0, 1) : 0;
        variance -= slope * slope * spread / n;
        var start = meanMass - max + Math.Clamp(variance, 0, MostVariance) / 2;
        var tail = 0.0;
        for (var block = 0; block < _count; block++)
        {
            if (places[block] == NotTaken)
                tail += Math.Exp(start + slope * (best[block] - meanScore));
        }

        return (float)tail;
    }

    private static float LogSum(float log, ReadOnlySpan<float> scores)
    {
        var max = log;
        foreach (var score in scores)
            max = MathF.Max(max, score);
        if (float.IsNegativeInfinity(max))
            return max;
        var sum = MathF.Exp(log - max);
        foreach (var score in scores)
            sum += MathF.Exp(score - max);
        return max + MathF.Log(sum);
    }

    private Span<float> LogMasses(int head) => Floats(2 + groupHeads + head, 1);

    // Some of the vectors of as many floats as blocks.
    private Span<float> Floats(int first, int count) => _scratch!.Floats((2 + 2 * groupHeads) * _count).Slice(first * _count, count * _count);
}
