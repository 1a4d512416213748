using Kvasir.Attention.Sampling;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Rows that matter exactly, and of all others a sample as large as its own scatter demands (the idea of vAttention). What is promised, for each query head
/// and step: the softmax denominator is off by more than epsilon of itself, or the numerator by more than epsilon of its length, with a probability of at most
/// delta, over the draws and as far as sums of many draws are normal. The answer is then off by about 2 epsilon at most, and mostly by much less. Chances of
/// rows follow keys that are coded in few bits (<see cref="RowChances"/>); codes that mislead cost rows, not the promise. Where values cancel each other, or
/// mass lies where codes do not see it, it may take every row, and then every row is read.
/// </summary>
public sealed class Guarded : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "guarded", "likely keys, and a sample of the others as large as a stated error demands", "the idea of vAttention: Desai et al. 2025, arXiv 2510.05688",
        "guarded:epsilon=1e-9,recent=8,min-context=0",
        static values => new Guarded(values),
        ExactZones.Options(
            sinks: 32, recent: 64, denseLayers: "none", minContext: 8192,
            PolicyOption.Real("epsilon", 0.15, 0, 1, "relative error of the denominator and of the numerator that is allowed"),
            PolicyOption.Real("delta", 0.05, 0, 0.5, "the probability that one of them is larger"),
            PolicyOption.Whole("pilot", 512, 16, 65536, "rows of the first sample, which tells how large it must be"),
            PolicyOption.Whole("bits", 2, 1, 4, "for each element of a key, on average, in the index")))
    {
        Budgets = ["epsilon=0.6", "epsilon=0.4", "epsilon=0.25", "epsilon=0.15", "epsilon=0.1", "epsilon=0.05"],
    };

    internal Guarded(PolicyValues values)
        : base(values)
    {
        (PilotRows, Bits) = (values.Whole("pilot"), values.Whole("bits"));
        Guarantee = new SamplingGuarantee(values.Real("epsilon"), values.Real("delta"));
    }

    internal SamplingGuarantee Guarantee { get; }

    internal int PilotRows { get; }

    internal int Bits { get; }

    public override double IndexBytesPerToken(int dim) => KeyCodes.BytesPerToken(dim, Bits);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Sampled(this, place);

    private sealed class Sampled(Guarded policy, HeadPlace place) : ZonedSelector(policy.Zones)
    {
        // With fewer rows between the zones all are read: the worker's scratch has room for so many.
        private const int FewestRows = 128;

        // Beyond a part of the rows, finding and reading single ones costs as much as reading all.
        private const int MostPart = 4;

        // A sample for which the first rows promise so much of the error that is allowed is neither too small nor too large.
        private const double LeastExcess = 0.7;
        private const double Aim = 0.9;
        private const double LeastGrowth = 1.1;
        private const double MostGrowth = 4;
        private const double Caution = 0.8;
        private const int MostEstimates = 4;

        // Of the rows that the last steps needed, how many tell how many are needed.
        private const float PilotShare = 0.25f;
        private const double PilotGrowth = 2;

        // How many times as large a sample may be as the one that tells its size: at most, and for each rows of equal weight that error rests on.
        private const double MostTrusted = 8;
        private const double TrustingRows = 4;
        private const float Forgetting = 0.25f;
        private readonly KeyCodes _codes = new(policy.Bits, place);
        private readonly RowChances _chances = new(place, CounterNoise.Seed((ulong)policy.Zones.Seed, place.Layer, place.KvHead));
        private readonly DrawnSums _sums = new(policy.Guarantee, place);
        private readonly float[] _logWeights = new float[AttentionScratch.DecodeRows];
        private bool _promptEnded;
        private bool _drew;
        private float _usual;
        private float _usualFactor = 1;
        private (int Rows, double Factor) _start;
        private int _lastEnd;

        public override long IndexBytes => _codes.Bytes;

        public override void EndPrompt(KvHead head)
        {
            _promptEnded = true;
            Append(head, 0, head.RowCount);
        }

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            if (_promptEnded && _codes.Count == 0 && head.RowCount >= Math.Max(FewestRows, Zones.MinContext))
                _codes.Learn(head);
            else
                _codes.Append(head);
        }

        public override void Truncate(int rows)
        {
            _codes.Truncate(rows);
            _lastEnd = 0;
        }

        protected override void ReweightChosen(in RowSet rows, Span<float> scores, int stride)
        {
            if (!_drew)
                return;
            var logs = _logWeights.AsSpan(0, rows.Count);
            _chances.LogWeights(rows, logs);
            for (var head = 0; head < place.GroupHeads; head++)
                VectorMath.Add(logs, scores.Slice(head * stride, rows.Count));
        }

        protected override void Dispose(bool disposing)
        {
            _codes.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxSum sum, KvSelection selection)
        {
            // The zones alone come first: what they amount to decides how well the rest must be known.
            _drew = false;
            if (round != 1)
                return round == 0;
            if (middle.End - middle.First >= FewestRows && TryDraw(query, middle, sum, out var drawn))
            {
                _drew = true;
                foreach (var row in query.Scratch.Whole(drawn))
                    selection.Add(row);
            }
            else
            {
                selection.AddRange(middle.First, middle.End - middle.First);
            }

            return true;
        }

        // As the last steps went. A step that is done again begins as it did.
        private (int Rows, double Factor) Start(int endRow)
        {
            if (endRow != _lastEnd)
                (_start, _lastEnd) = ((Math.Max(policy.PilotRows, (int)(PilotShare * _usual)), _usualFactor), endRow);
            return _start;
        }

        // The rows are left in the scratch.
        private bool TryDraw(in HeadQuery query, (int First, int End) middle, in SoftmaxSum sum, out int count)
        {
            count = 0;
            var mostRows = (middle.End - middle.First) / MostPart;
            if (policy.PilotRows > mostRows)
                return false;
            var (pilot, factor) = Start(query.EndRow);
            _chances.Begin(query, middle, _codes, Math.Min(pilot, mostRows));
            for (var drawn = 1.0; ; drawn = _chances.Rounded(drawn * PilotGrowth))
            {
                count = _chances.Draw(drawn);
                if (count > mostRows)
                    return false;
                var rows = query.Scratch.Whole(count);
                _chances.Drawn.List(rows);
                _sums.Begin(query, _chances, rows, sum);
                var more = Enough(query, rows, Math.Max(1, factor / drawn), mostRows, sum);
                factor = drawn * more;
                // A sample that asks for so many more is too small to tell how many.
                if (more <= Math.Clamp(_sums.Rows / TrustingRows, 1, MostTrusted))
                    break;
                factor = drawn * PilotGrowth;
            }

            count = _chances.Draw(factor);
            if (count > mostRows)
                return false;
            _chances.Drawn.List(query.Scratch.Whole(count));
            _usual += Forgetting * (count - _usual);
            _usualFactor = Math.Max(1, (float)(_usualFactor * Math.Pow(factor / _usualFactor, Forgetting)));
            return true;
        }

        // How many times as large chances must be so that errors are as small as they have to be: the first rows tell. Infinity where all rows had better be read.
        private double Enough(in HeadQuery query, ReadOnlySpan<int> rows, double factor, int mostRows, in SoftmaxSum sum)
        {
            var good = double.PositiveInfinity;
            for (var estimate = 0; ; estimate++)
            {
                factor = _chances.Rounded(factor);
                var excess = _sums.Excess(query, _chances, rows, factor, sum);
                if (excess <= 1)
                {
                    good = factor;
                    if (factor == 1 || excess >= LeastExcess || estimate >= MostEstimates)
                        return good;
                }
                else if (factor >= good)
                {
                    return good;
                }

                if (estimate == MostEstimates * MostEstimates || DrawnSums.ExpectedRows(_chances, rows.Length, factor) > mostRows)
                    return double.PositiveInfinity;
                var growth = Math.Pow(excess / Aim, Caution);
                factor = excess > 1 ? factor * Math.Clamp(growth, LeastGrowth, MostGrowth) : Math.Max(1, factor * Math.Max(growth, 1 / MostGrowth));
            }
        }
    }
}
