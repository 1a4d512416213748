using Kvasir.Attention.Indexes;
using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;

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
        static spec => new Guarded(spec),
        ExactZones.Options(
            sinks: 32, recent: 64, denseLayers: "none", minContext: 8192,
            PolicyOption.Real("epsilon", 0.15, 0, 1, "relative error of the denominator and of the numerator that is allowed"),
            PolicyOption.Real("delta", 0.05, 0, 0.5, "the probability that one of them is larger"),
            PolicyOption.Whole("pilot", 512, 16, 65536, "rows of the first sample, which tells how large it must be"),
            PolicyOption.Real("bits", 1.5, 0.5, 4, "for each element of a key, on average, in the index"),
            PolicyOption.Whole("learn", 8192, 128, 1 << 20, "first tokens of a prompt, from which it learns how to code keys; of a shorter prompt all")))
    {
        Budgets = PolicyBudget.Of("epsilon", 0.6, 0.4, 0.25, 0.15, 0.1, 0.05),
    };

    internal Guarded(PolicySpec spec)
        : base(spec)
    {
        (PilotRows, Bits) = (spec.Whole("pilot"), spec.Real("bits"));
        LearnRows = (spec.Whole("learn") + CodeScan.GroupRows - 1) / CodeScan.GroupRows * CodeScan.GroupRows;
        Guarantee = new SamplingGuarantee(spec.Real("epsilon"), spec.Real("delta"));
    }

    internal SamplingGuarantee Guarantee { get; }

    internal int PilotRows { get; }

    internal double Bits { get; }

    public override int RowUnit => CodeScan.GroupRows;

    /// <summary>Whoever begins with so many rows has the same codes of them.</summary>
    internal int LearnRows { get; }

    public override double IndexBytesPerToken(int dim) => KeyCodes.BytesPerToken(dim, Bits);

    public override string PartName => PartsOf($"codes of {Bits} bits learnt from {LearnRows}");

    public override int PartEnd(int firstRow) =>
        firstRow == 0 ? LearnRows : firstRow >= LearnRows && firstRow % CodeScan.GroupRows == 0 ? firstRow + CodeScan.GroupRows : firstRow;

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) =>
        rows < Math.Min(Zones.MinContext, LearnRows) ? 0 : KeyCodes.BytesFor(place.Dim, Bits, rows);

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => KeyCodes.PartBytes(place.Dim, Bits, rowCount, rowCount == LearnRows);

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
        private const double MostGrowth = 4;
        private const double Caution = 0.8;
        private const int MostEstimates = 4;
        private const int MostSteps = 12;
        private const double SampleGrowth = 2;

        // How many times as large a sample may be as the one that tells its size: at most, and for each rows of equal weight that error rests on.
        private const double MostTrusted = 8;
        private const double TrustingRows = 4;

        // What a step needed counts so much for the next ones.
        private const float Learning = 0.2f;
        private readonly KeyCodes _codes = new(policy.Bits, place);
        private readonly RowChances _chances = new(place, CounterNoise.Seed((ulong)policy.Zones.Seed, place.Layer, place.KvHead));
        private readonly DrawnSums _sums = new(policy.Guarantee, place);
        private readonly MarkedState _usual = new(1, initial: 0, place.TakeBack.Marks);
        private int _promptRows;
        private bool _drew;
        private int _start;
        private int _lastEnd;

        public override long IndexBytes => _codes.Bytes;

        public override int RowsWaiting => _codes.RowsWaiting;

        public override void EndPrompt(KvHead head)
        {
            _promptRows = head.RowCount;
            _usual.EndPrompt(_promptRows);
            Append(head, 0, head.RowCount);
        }

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            // From the first rows, so that others with the same ones have the same codes; from a short prompt, or the first rows that are enough, however many
            // come at a time.
            var (end, fewest) = (firstRow + rowCount, Math.Max(FewestRows, Zones.MinContext));
            var learnt = _promptRows >= policy.LearnRows ? policy.LearnRows : Math.Max(_promptRows, fewest);
            if (_promptRows > 0 && _codes.LearntRows == 0 && end >= learnt)
                _codes.Learn(learnt, end);
            _codes.Append(head, end);
        }

        public override int RowsForParts => _codes.LearntRows == policy.LearnRows ? _codes.Count : 0;

        public override void WritePart(int firstRow, int rowCount, NativeView part) => _codes.Write(firstRow, rowCount, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part) => _codes.Read(head.RowCount, firstRow, rowCount, part);

        public override void Mark(int rows) => _usual.Mark(rows);

        public override void Build(KvHead head, int rows, IndexScratch scratch) => _codes.Build(head, rows);

        public override void Truncate(int rows)
        {
            _promptRows = rows < _promptRows ? 0 : _promptRows;
            _codes.Truncate(rows);
            _usual.Truncate(rows);
            _lastEnd = 0;
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            Invariant.Holds(_codes.RowsWaiting == 0);
            _promptRows = edit.KeptBefore(_promptRows);
            _codes.Edited(edit);
            _usual.Edited(edit);
        }

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            if (!_drew)
                return;
            Span<float> logs = stackalloc float[MostReweighted];
            logs = logs[..rows.Count];
            _chances.LogWeights(rows, logs);
            for (var head = 0; head < place.GroupHeads; head++)
                VectorMath.Add(logs, scores.Slice(head * stride, rows.Count));
        }

        protected override void Dispose(bool disposing)
        {
            _codes.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            // The zones alone come first: what they amount to decides how well the rest must be known.
            _drew = false;
            if (round != 1)
                return round == 0;
            // Nor is there anything to draw by in the step that brings the rows from which on there is an index: it is built behind it.
            if (middle.End - middle.First < FewestRows || _codes.RowsWaiting > 0 || !TryDraw(query, middle, sum, out var drawn))
            {
                selection.AddRange(middle.First, middle.End - middle.First);
                return true;
            }

            _drew = true;
            foreach (var row in query.Scratch.Whole(drawn.Count))
                selection.Add(row);
            if (drawn.Summed)
                selection.BeginPartial(query).Merge(_sums.Estimate);

            return true;
        }

        // As many rows as the last steps needed. A step that is done again begins as it did.
        private int Start(int endPosition)
        {
            if (endPosition != _lastEnd)
                (_start, _lastEnd) = (Math.Max(policy.PilotRows, (int)_usual.Values[0]), endPosition);
            return _start;
        }

        // The rows are left in the scratch. Mostly the first ones are enough, and what they say of the sums is the answer.
        private bool TryDraw(in HeadQuery query, (int First, int End) middle, in SoftmaxView sum, out (int Count, bool Summed) drawn)
        {
            drawn = default;
            var mostRows = (middle.End - middle.First) / MostPart;
            if (policy.PilotRows > mostRows)
                return false;
            _chances.Begin(query, middle, _codes, Math.Min(Start(query.EndPosition), mostRows));
            for (var factor = 1.0; ; factor = _chances.Rounded(factor * SampleGrowth))
            {
                var count = _chances.Draw(factor);
                if (count > mostRows)
                    return false;
                var rows = query.Scratch.Whole(count);
                _chances.Drawn.List(rows);
                _sums.Begin(query, _chances, rows, sum);
                var excess = _sums.Excess(query, _chances, rows, 1, sum, measures: true);
                if (excess <= 1)
                {
                    Remember(query.EndRow, count * Math.Pow(excess / Aim, Caution));
                    drawn = (count, true);
                    return true;
                }

                var more = Enough(query, rows, excess, mostRows, sum);
                // A sample that asks for so many more is too small to tell how many.
                if (more > Math.Clamp(_sums.Rows / TrustingRows, 1, MostTrusted))
                    continue;
                count = _chances.Draw(factor * more);
                if (count > mostRows)
                    return false;
                _chances.Drawn.List(query.Scratch.Whole(count));
                Remember(query.EndRow, count);
                drawn = (count, false);
                return true;
            }
        }

        private void Remember(int endRow, double needed)
        {
            ref var usual = ref _usual.Learn(endRow)[0];
            usual = usual == 0 ? (float)needed : usual + Learning * ((float)needed - usual);
        }

        // How many times as large chances must be so that errors are as small as they have to be: the first rows tell. Infinity where all rows had better be
        // read.
        private double Enough(in HeadQuery query, ReadOnlySpan<int> rows, double excess, int mostRows, in SoftmaxView sum)
        {
            // Values are summed where the search begins, and again where it ends: in between nothing but weights changes.
            var factor = 1.0;
            for (var estimate = 0; estimate < MostEstimates && excess > 1; estimate++)
            {
                factor = Search(query, rows, factor, excess, sum);
                if (DrawnSums.ExpectedRows(_chances, rows.Length, factor) > mostRows)
                    return double.PositiveInfinity;
                excess = _sums.Excess(query, _chances, rows, factor, sum, measures: true);
            }

            return excess <= 1 ? factor : double.PositiveInfinity;
        }

        // The least factor of chances that does, or one at which little is given away: chances come in steps.
        private double Search(in HeadQuery query, ReadOnlySpan<int> rows, double factor, double excess, in SoftmaxView sum)
        {
            var (low, high) = (0.0, double.PositiveInfinity);
            for (var step = 0; step < MostSteps; step++)
            {
                (low, high) = excess > 1 ? (factor, high) : (low, factor);
                if (excess <= 1 && (factor == 1 || excess >= LeastExcess))
                    return factor;
                var next = Math.Max(1, factor * Math.Clamp(Math.Pow(excess / Aim, Caution), 1 / MostGrowth, MostGrowth));
                factor = _chances.Rounded(next <= low || next >= high ? Math.Sqrt(low * high) : next);
                if (factor >= high)
                    return high;
                excess = _sums.Excess(query, _chances, rows, factor, sum, measures: false);
            }

            return double.IsFinite(high) ? high : factor;
        }
    }
}
