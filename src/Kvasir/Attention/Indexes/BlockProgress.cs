using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention.Indexes;

/// <summary>
/// How far one query has read ranked blocks: which were taken, and the log of the attention mass of each for every query head. Everything that grows with the
/// context lies in the worker's scratch.
/// </summary>
internal sealed class BlockProgress(int groupHeads)
{
    // Places of blocks that have none; and a mark on those of blocks that were drawn.
    private const int NotRanked = -1;
    private const int NotRankedDrawn = -2;
    private const int DrawnMark = 1 << 30;
    private const int FewestRanked = 64;
    private const int FewestToAverage = 8;
    private const int MostToFit = 64;
    private const int BlocksPerProbe = 32;
    private const int FewestDrawn = 8;
    private const int MostProbes = 64;

    // That the mass of what is drawn is further off than is said has this probability, as far as means of a few blocks are normal. With 0.32, one standard
    // error, a third fewer blocks are read, and at 32k tokens five keys in eight are missed: a heavy block among those that are left shows in few draws.
    private const double Delta = 0.05;
    private const float MostVariance = 2;
    private static readonly double Rarely = Quantiles.Normal(Delta);

    private readonly int[] _probe = new int[MostProbes];
    private readonly int[] _probeAt = new int[MostProbes];
    private SelectorScratch? _scratch;
    private int _first;
    private int _count;
    private int _blockRows;
    private int _ranked;
    private int _passed;
    private int _roundFrom;
    private int _probes;

    /// <summary>Blocks that were read.</summary>
    public int Taken { get; private set; }

    /// <summary>Blocks among them that were drawn by chance.</summary>
    public int Drawn { get; private set; }

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
        (_scratch, _first, _count, _blockRows, _ranked, _passed, _roundFrom) = (scratch, first, count, blockRows, 0, 0, 0);
        (Taken, Drawn, _probes) = (0, 0, 0);
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
        _roundFrom = Taken;
        var places = Places;
        var order = BlockAt;
        for (; wanted > 0; _passed++)
        {
            if (_passed == _ranked)
                RankMore(Math.Min(_count - _ranked, Math.Max(wanted, Math.Max(FewestRanked, _ranked))));
            var block = order[_passed];
            if ((places[block] & DrawnMark) != 0)
                continue;
            List(block, selection);
            wanted--;
        }
    }

    /// <summary>
    /// Selects a few blocks more, by whose weights <see cref="Needed"/> goes; none where few are left. Once, behind the first <see cref="Take"/>.
    /// </summary>
    /// <param name="seed">Heads that read the same blocks have the same.</param>
    public void Probe(ulong seed, KvSelection selection)
    {
        var wanted = Math.Clamp(_count / BlocksPerProbe, FewestDrawn, MostProbes);
        if (Left < 2 * wanted)
            return;
        _probes = wanted;
        Draw(wanted, seed, selection);
    }

    /// <summary>Selects blocks of those that are left, each with the same chance: so many, and no fewer than a few, or all.</summary>
    /// <returns>For how many of those that were left each of them stands.</returns>
    public float Draw(int wanted, ulong seed, KvSelection selection)
    {
        _roundFrom = selection.RowCount == 0 ? Taken : _roundFrom;
        wanted = Math.Min(Left, Math.Max(wanted, FewestDrawn));
        var weight = (float)Left / wanted;
        var places = Places;
        for (var (draw, from) = (0UL, Drawn); Drawn < from + wanted; draw++)
        {
            var block = (int)(CounterNoise.Word(seed, draw) % (ulong)_count);
            var place = places[block];
            if (place <= NotRankedDrawn || (place >= 0 && ((place & DrawnMark) != 0 || place < _passed)))
                continue;
            places[block] = place == NotRanked ? NotRankedDrawn : place | DrawnMark;
            if (Drawn < _probes)
                (_probe[Drawn], _probeAt[Drawn]) = (block, Taken);
            Drawn++;
            List(block, selection);
        }

        return weight;
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

    /// <summary>
    /// Which share of the blocks that are left has to be drawn so that their mass is known within a part of the whole, of the head that needs most: 0 where
    /// they may go unread. What was probed tells it, as far as it was not read for its score since; NaN where that is too little.
    /// </summary>
    /// <param name="sum">Of all rows read.</param>
    /// <param name="part">Above 0.</param>
    public float Needed(in SoftmaxView sum, float part)
    {
        var most = 0f;
        for (var head = 0; head < groupHeads && !float.IsNaN(most); head++)
        {
            var (count, mean, variance) = Probed(head, sum.Max[head]);
            if (count < FewestDrawn / 2)
                return float.NaN;
            var allowed = part * (sum.Mass[head] + Left * mean);
            var factor = Quantiles.Fisher(Rarely, 1, count - 1);
            if (Left * (mean + Math.Sqrt(factor * variance / count)) <= allowed)
                continue;
            // Of so many that are left, drawn without putting back.
            var share = factor * variance * Left / (allowed * allowed);
            most = MathF.Max(most, (float)(share / (1 + share)));
        }

        return most;
    }

    // Of the blocks that were probed, those behind all that were read for their scores are as good as any that are left.
    private (int Count, double Mean, double Variance) Probed(int head, float max)
    {
        var places = Places;
        var masses = LogMasses(head);
        var (count, sum, squares) = (0, 0.0, 0.0);
        for (var i = 0; i < _probes; i++)
        {
            var place = places[_probe[i]];
            if (place >= 0 && (place & ~DrawnMark) < _passed)
                continue;
            var mass = Math.Exp(masses[_probeAt[i]] - max);
            (count, sum, squares) = (count + 1, sum + mass, squares + mass * mass);
        }

        return count < 2 ? (count, 0, 0) : (count, sum / count, Math.Max(0, squares - (sum / count * sum)) / (count - 1));
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
            if (places[block] < 0 && LargestNumbers.Rank(best[block]) > threshold)
                keys[found++] = Key(best[block], block);
        }

        for (var block = 0; found < more; block++)
        {
            if (places[block] < 0 && LargestNumbers.Rank(best[block]) == threshold)
                keys[found++] = Key(best[block], block);
        }

        keys.Sort();
        var order = BlockAt;
        foreach (var key in keys)
        {
            places[(int)key] = places[(int)key] == NotRankedDrawn ? _ranked | DrawnMark : _ranked;
            order[_ranked++] = (int)key;
        }
    }

    private void List(int block, KvSelection selection)
    {
        for (var head = 0; head < groupHeads; head++)
            LogMasses(head)[Taken] = float.NegativeInfinity;
        selection.AddBlock((_first + block) * _blockRows, _blockRows);
        Taken++;
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
