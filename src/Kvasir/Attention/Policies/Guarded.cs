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
            sinks: 32, recent: 64, denseLayers: "none",
            PolicyOption.Real("epsilon", 0.15, 0, 1, "relative error of the denominator and of the numerator that is allowed"),
            PolicyOption.Real("delta", 0.05, 0, 0.5, "the probability that one of them is larger"),
            PolicyOption.Whole("pilot", 512, 16, 65536, "rows of the first sample, which tells how large it must be"),
            PolicyOption.Whole("bits", 2, 1, 4, "for each element of a key, on average, in the index")));

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
        // Of estimates, the largest is too large more often than not.
        private const double LeastGrowth = 1.25;
        private const double MostGrowth = 2.5;
        private const double Caution = 0.8;
        private const double LeastGuess = 0.5;
        private const float Margin = 1.15f;
        private const float Forgetting = 0.25f;
        private readonly KeyCodes _codes = new(policy.Bits, place);
        private readonly RowChances _chances = new(place, CounterNoise.Seed((ulong)policy.Zones.Seed, place.Layer, place.KvHead));
        private readonly DrawnSums _sums = new(policy.Guarantee, place);
        private readonly float[] _logWeights = new float[AttentionScratch.DecodeRows];
        private bool _promptEnded;
        private bool _drew;
        private float _usual;
        private int _pilot;
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
            for (var i = 0; i < rows.Count; i++)
                logs[i] = _chances.LogWeight(rows[i]);
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

        // A little more than the last steps needed: growing costs more. A step that is done again begins as it did.
        private int Pilot(int endRow)
        {
            if (endRow != _lastEnd)
                (_pilot, _lastEnd) = (Math.Max(policy.PilotRows, (int)(Margin * _usual)), endRow);
            return _pilot;
        }

        // The rows are left in the scratch.
        private bool TryDraw(in HeadQuery query, (int First, int End) middle, in SoftmaxSum sum, out int count)
        {
            count = 0;
            var mostRows = (middle.End - middle.First) / MostPart;
            var pilot = Math.Min(Pilot(query.EndRow), mostRows);
            if (pilot < policy.PilotRows)
                return false;
            _chances.Begin(query, middle, _codes, pilot);
            var factor = 1.0;
            while (true)
            {
                count = _chances.Draw(factor);
                if (count > mostRows)
                    return false;
                var rows = query.Scratch.Whole(count);
                _chances.Drawn.List(rows);
                var excess = _sums.Excess(query, _chances, rows, (ulong)query.EndRow, sum);
                if (excess <= 1)
                {
                    // Steps that need less are let go on needing less.
                    _usual += Forgetting * ((float)(count * Math.Max(excess, LeastGuess)) - _usual);
                    return true;
                }

                factor = Math.Clamp(Math.Pow(excess, Caution), LeastGrowth, MostGrowth);
            }
        }
    }
}
