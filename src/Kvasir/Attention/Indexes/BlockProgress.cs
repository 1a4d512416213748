using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// How far one query has read ranked blocks: which were taken, and the log of the attention mass of each for every query head. Everything that grows with the
/// context lies in the worker's scratch.
/// </summary>
internal sealed class BlockProgress(int groupHeads)
{
    private const int NotRanked = -1;
    private const int FewestRanked = 64;
    private const int FewestToAverage = 8;
    private const int MostToFit = 64;
    private const float MostVariance = 2;
    private SelectorScratch? _scratch;
    private int _first;
    private int _count;
    private int _blockRows;
    private int _ranked;
    private int _roundFrom;

    /// <summary>Blocks that were read.</summary>
    public int Taken { get; private set; }

    /// <summary>Blocks that were not.</summary>
    public int Left => _count - Taken;

    /// <summary>[group, blocks]: what <see cref="Rank"/> ranks by.</summary>
    public Span<float> HeadScores => Floats(3, groupHeads);

    // Numbers to sort; the best score of any head; scores of heads; log masses of heads, in the order of taking.
    private Span<ulong> Keys => _scratch!.Elements<ulong>(0, _count);

    private Span<float> Best => Floats(2, 1);

    // The place of a block in the ranking, as far as there is one, and the block of each place.
    private Span<int> Places => _scratch!.Whole(2 * _count)[.._count];

    private Span<int> BlockAt => _scratch!.Whole(2 * _count)[_count..];

    /// <summary>Starts on the blocks [<paramref name="first"/>, <paramref name="first"/> + <paramref name="count"/>).</summary>
    public void Begin(SelectorScratch scratch, int first, int count, int blockRows)
    {
        (_scratch, _first, _count, _blockRows, Taken, _ranked, _roundFrom) = (scratch, first, count, blockRows, 0, 0, 0);
        Places.Fill(NotRanked);
    }

    /// <summary>A block is worth what it is to the head that wants it most.</summary>
    public void Rank()
    {
        var best = Best;
        var scores = HeadScores;
        scores[.._count].CopyTo(best);
        for (var head = 1; head < groupHeads; head++)
            VectorMath.Raise(scores.Slice(head * _count, _count), best);
        foreach (ref var score in best)
            score = float.IsNaN(score) ? float.NegativeInfinity : score;
    }

    /// <summary>A block is worth what it is to this query or to that of <paramref name="other"/>, which has begun on the same blocks and ranked them.</summary>
    public void RankWith(BlockProgress other) => VectorMath.Raise(other.Best, Best);

    /// <summary>A block is worth what it is to <paramref name="other"/>.</summary>
    public void RankAs(BlockProgress other) => other.Best.CopyTo(Best);

    /// <summary>Selects the rows of the best <paramref name="wanted"/> blocks that are left, or of all that are, best first; of equal ones the first.</summary>
    public void Take(int wanted, KvSelection selection)
    {
        wanted = Math.Min(wanted, Left);
        if (Taken + wanted > _ranked)
            RankMore(Math.Min(_count - _ranked, Math.Max(Taken + wanted - _ranked, Math.Max(FewestRanked, _ranked))));
        _roundFrom = Taken;
        var order = BlockAt;
        for (; wanted > 0; wanted--, Taken++)
        {
            for (var head = 0; head < groupHeads; head++)
                LogMasses(head)[Taken] = float.NegativeInfinity;
            selection.AddBlock((_first + order[Taken]) * _blockRows, _blockRows);
        }
    }

    /// <summary>Adds the weights of rows to the masses of their blocks. Several workers may, for different blocks.</summary>
    /// <param name="listed">Where the rows begin among those that the last <see cref="Take"/> listed.</param>
    /// <param name="weights">[group, stride]: e^(score - max).</param>
    /// <param name="max">Of each query head.</param>
    public void Add(int listed, int rowCount, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max)
    {
        for (var at = 0; at < rowCount;)
        {
            var (place, inBlock) = (_roundFrom + ((listed + at) / _blockRows), (listed + at) % _blockRows);
            var count = Math.Min(rowCount - at, _blockRows - inBlock);
            for (var head = 0; head < groupHeads; head++)
            {
                ref var mass = ref LogMasses(head)[place];
                mass = LogSum(mass, max[head] + MathF.Log(VectorMath.Sum(weights.Slice((head * stride) + at, count))));
            }

            at += count;
        }
    }

    /// <summary>The share of the estimated mass that was read, of the head that has read least.</summary>
    /// <param name="sum">Of all rows read.</param>
    /// <param name="lastGroup">Blocks of the last group.</param>
    public float Coverage(in SoftmaxView sum, TailEstimate estimate, int lastGroup)
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
            if ((uint)places[block] >= (uint)Taken)
                tail += Math.Exp(start + slope * (best[block] - meanScore));
        }

        return (float)tail;
    }

    // The best of those that have no place yet, in order. Those above the threshold first: of equal ones there may be more than are wanted.
    private void RankMore(int more)
    {
        var best = Best;
        var places = Places;
        var keys = Keys[..more];
        var threshold = LargestNumbers.Rank(LargestNumbers.Largest(best, _ranked + more));
        var found = 0;
        for (var block = 0; block < _count; block++)
        {
            if (places[block] == NotRanked && LargestNumbers.Rank(best[block]) > threshold)
                keys[found++] = Key(best[block], block);
        }

        for (var block = 0; found < more; block++)
        {
            if (places[block] == NotRanked && LargestNumbers.Rank(best[block]) == threshold)
                keys[found++] = Key(best[block], block);
        }

        keys.Sort();
        var order = BlockAt;
        foreach (var key in keys)
        {
            places[(int)key] = _ranked;
            order[_ranked++] = (int)key;
        }
    }

    // Smaller for better blocks, and for the first of equal ones.
    private static ulong Key(float score, int block) => (ulong)~LargestNumbers.Rank(score) << 32 | (uint)block;

    private static float LogSum(float x, float y)
    {
        var (larger, smaller) = (MathF.Max(x, y), MathF.Min(x, y));
        return float.IsNegativeInfinity(smaller) ? larger : larger + MathF.Log(1 + MathF.Exp(smaller - larger));
    }

    private Span<float> LogMasses(int head) => Floats(3 + groupHeads + head, 1);

    // Some of the vectors of as many floats as blocks.
    private Span<float> Floats(int first, int count) => _scratch!.Floats((3 + 2 * groupHeads) * _count).Slice(first * _count, count * _count);
}

/// <summary>
/// How the attention mass of blocks that were not read is guessed from those that were: PSA (arXiv 2503.00392) stops reading when it is small.
/// </summary>
internal enum TailEstimate
{
    /// <summary>As much each as the mean of the last few read: errs on the safe side.</summary>
    LastMean,

    /// <summary>As much each as the smallest read, which the paper uses: too little when the ranking is poor.</summary>
    MinTimesLeft,

    /// <summary>What a straight line of log mass over score, through the last 64 read, says of the score of each.</summary>
    Fit,
}
