using System.Diagnostics;
using Kvasir.Attention.Marks;
using Kvasir.Attention.Observation;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Sparse window attention (ALISA, algorithm 1): half of the budget are the newest rows, the other half those that collected most attention from the newest
/// queries; both grow with the context. Weights are summed over the query heads that share a KV head; the paper sums over all heads of a layer, whose KV heads
/// are computed apart from each other here.
/// </summary>
public sealed class Alisa : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "alisa", "the newest tokens and as many that the newest queries attended to most",
        "ALISA: Zhao et al. 2024, arXiv 2403.17312", "alisa:ratio=1,min-context=0",
        static spec => new Alisa(spec),
        ExactZones.Options(
            sinks: 0, recent: 1, denseLayers: "none",
            PolicyOption.Real("ratio", 0.2, 0, 1, "of all tokens that are read: half of them the newest, half by attention"),
            PolicyOption.Choice(
                "scoring", "what tokens that are not read count for: all scored now and then, nothing, or all scored at every step",
                "probe", "literal", "dense"),
            PolicyOption.Whole("probe-every", 16, 1, 65536, "steps from one probe of all tokens to the next"),
            PolicyOption.Choice("score-rows", "queries whose attention is summed: half as many as tokens are read, or as many", "k", "two-k"),
            PolicyOption.Choice("sum", "fading by the window's length, or an exact window where its weights take at most 16 MiB a head", "decayed", "window"),
            PolicyOption.Choice(
                "drop", "tokens that are given up for good: none, or those that no later query reads (with scoring=literal, sum=decayed)", "none", "spent"),
            PolicyOption.Whole("observed", 64, 1, 4096, "last prompt tokens whose attention is collected")))
    {
        Budgets = PolicyBudget.Of("ratio", 0.02, 0.05, 0.1, 0.2, 0.4),
    };

    private const long LargestWindowBytes = 16 << 20;
    private readonly float _ratio;
    private readonly AlisaScoring _scoring;
    private readonly int _probeEvery;
    private readonly int _rowsPerHalf;
    private readonly bool _sumsWindow;
    private readonly bool _dropsSpent;

    internal Alisa(PolicySpec spec)
        : base(spec)
    {
        _ratio = spec.Real("ratio");
        _scoring = spec.Choice<AlisaScoring>("scoring");
        _probeEvery = spec.Whole("probe-every");
        _rowsPerHalf = spec.Is("score-rows", "two-k") ? 2 : 1;
        _sumsWindow = spec.Is("sum", "window");
        _dropsSpent = spec.Is("drop", "spent");
        ObservedPromptRows = spec.Whole("observed");
        if (_dropsSpent && (_scoring != AlisaScoring.Literal || _sumsWindow))
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"attention policy '{Name}' drops what no later query reads, which is known with scoring=literal and sum=decayed alone");
        }
    }

    public override int ObservedPromptRows { get; }

    public override bool ObservesDecode => true;

    /// <inheritdoc/>
    /// <remarks>
    /// Literally, a row that is not read collects nothing, and all sums fade alike: it never comes before one that is before it now. So of the rows behind
    /// as many as will be read at the end none is ever read again, and the answer is the same without them.
    /// </remarks>
    public override bool DropsRows => _dropsSpent;

    /// <inheritdoc/>
    /// <remarks>Literal scoring looks at no other rows than those that are read.</remarks>
    public override bool SuitsFiles => _scoring == AlisaScoring.Literal && !_dropsSpent;

    public override SettledRows? SettledRowsAt(int rows) => SuitsFiles ? new SettledRows(HalfOf(rows), HalfOf(rows)) : null;

    /// <inheritdoc/>
    /// <remarks>As for <see cref="DropsRows"/>. The first rows, where they are always read, are read together.</remarks>
    internal override bool KnowsSpentRows => SuitsFiles && !_sumsWindow && Zones.Sinks == 0;

    /// <inheritdoc/>
    /// <remarks>An exact window costs a number for each of its queries instead.</remarks>
    public override double IndexBytesPerToken(int dim) => sizeof(float);

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) =>
        SumsWindow(place)
            ? MarkedSums.BytesFor(rows, 0) + WindowAttention.BytesOf(place, Math.Min(rows, WindowRows(place.MaxRows) + place.TakeBack.Steps))
            : MarkedSums.BytesFor(rows, place.TakeBack.Marks);

    /// <inheritdoc/>
    /// <remarks>Of a sequence that ends soon behind its prompt; one that may go on for long keeps more.</remarks>
    protected override int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows) =>
        _dropsSpent ? Math.Max(0, Math.Min(middle.End, promptRows - HalfOf(promptRows)) - middle.First - HalfOf(promptRows)) : 0;

    protected override ZonedSelector CreateSparse(HeadPlace place) =>
        new Halves(this, place, SumsWindow(place) ? new WindowAttention(place, WindowRows(place.MaxRows)) : new DecayedAttention(place));

    private bool SumsWindow(HeadPlace place) => _sumsWindow && WindowAttention.BytesOf(place, WindowRows(place.MaxRows)) <= LargestWindowBytes;

    // Rounded up at one half, so that two halves are never less than the whole.
    private int HalfOf(int pastRows) => Math.Max(1, (int)Math.Round(pastRows * (double)_ratio / 2, MidpointRounding.AwayFromZero));

    private int WindowRows(int pastRows) => _rowsPerHalf * HalfOf(pastRows);

    private bool Probes(int position, int layer) => _scoring switch
    {
        AlisaScoring.Dense => true,
        // Layers take turns, so that no step pays for all of them.
        AlisaScoring.Probe => (position + layer) % _probeEvery == 0,
        AlisaScoring.Literal => false,
        _ => throw new UnreachableException($"there is no scoring {_scoring}"),
    };

    private sealed class Halves(Alisa policy, HeadPlace place, CollectedAttention attention) : ZonedSelector(policy.Zones)
    {
        private readonly TopRows _top = new();

        // Weights sum to 1 over the rows that were read. Times the share of the mass that these rows had when all were scored last, they can be added to
        // weights that sum to 1 over all rows.
        private readonly MarkedState _shares = new(place.GroupHeads, initial: 1, place.TakeBack.Marks);
        private readonly float[] _whole = Ones(place.GroupHeads);
        private int _chosen = -1;
        private int _probed = -1;
        private int _windowRows;

        public override long IndexBytes => attention.Bytes;

        public override void Append(KvHead head, int firstRow, int rowCount) => attention.Append(firstRow, rowCount);

        public override void EndPrompt(KvHead head)
        {
            attention.EndPrompt(head.RowCount);
            _shares.EndPrompt(head.RowCount);
        }

        public override void Mark(int rows)
        {
            attention.Mark(rows);
            _shares.Mark(rows);
        }

        public override void Truncate(int rows)
        {
            (_chosen, _probed) = (-1, -1);
            attention.Truncate(rows);
            _shares.Truncate(rows);
        }

        public override int DroppableRows(KvHead head, (int First, int End) visible) =>
            Old(head, visible) is var (first, end) ? Math.Max(0, end - first - policy.HalfOf(place.MaxRows)) : 0;

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var ((first, end), most) = (Old(head, visible), policy.HalfOf(place.MaxRows));
            if (end - first <= most)
                return;
            var rows = edit.Whole(end - first);
            var sums = edit.Floats(end - first);
            var count = attention.Above(-1, (first, end), rows, sums);
            // Of rows with equal sums the newest are read.
            var threshold = LargestNumbers.Largest(sums[..count], most);
            var surplus = count - most;
            foreach (var sum in sums[..count])
                surplus -= sum < threshold ? 1 : 0;
            for (var i = 0; i < count; i++)
            {
                if (sums[i] < threshold || (sums[i] == threshold && surplus-- > 0))
                    edit.Drop(rows[i], 1);
            }
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            (_chosen, _probed) = (-1, -1);
            attention.Edited(edit);
            _shares.Edited(edit);
        }

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
        {
            if (position == _probed)
                return;
            var isChoice = position == _chosen;
            attention.Begin(position, isChoice ? _windowRows : policy.WindowRows(rows.Count - 1));
            attention.Add(rows, weights, stride, isChoice ? _shares.Values : _whole);
        }

        protected override void Dispose(bool disposing)
        {
            attention.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var past = query.EndPosition - 1 - query.FirstPosition;
            var half = policy.HalfOf(past);
            (_chosen, _windowRows) = (query.EndRow - 1, policy.WindowRows(past));
            var newest = Math.Clamp(query.EndRow - 1 - half, middle.First, middle.End);
            selection.AddRange(newest, middle.End - newest);
            attention.Settle(_windowRows);
            _top.Select(attention, (middle.First, newest), half, query.Scratch, selection);
            if (policy.Probes(_chosen, place.Layer))
                Probe(query, selection);
            return true;
        }

        // The rows of which the next query chooses by what they have collected.
        private (int First, int End) Old(KvHead head, (int First, int End) visible)
        {
            var (first, end) = Zones.Middle(visible.First, visible.End);
            var newest = Math.Clamp(head.RowCount - policy.HalfOf(visible.End - 1 - visible.First), head.RowAt(first), head.RowAt(end));
            return (head.RowAt(first), newest);
        }

        // Adds the weights that this query would have given to all rows, and measures what share those have that it reads.
        private void Probe(in HeadQuery query, KvSelection selection)
        {
            _probed = _chosen;
            var count = query.EndRow - query.FirstRow;
            var rows = new RowSet(query.FirstRow, count);
            var weights = query.Scratch.Floats(place.GroupHeads * count);
            query.Head.Score(query.Queries, rows, weights, count);
            var shares = _shares.Learn(query.EndRow);
            for (var head = 0; head < place.GroupHeads; head++)
            {
                var own = weights.Slice(head * count, count);
                VectorMath.Scale(own, 1 / Softmax.Exponentials(own, VectorMath.Max(own)));
                shares[head] = Share(own, query.FirstRow, selection);
            }

            attention.Begin(_chosen, _windowRows);
            attention.Add(rows, weights, count, _whole);
        }

        private static float Share(ReadOnlySpan<float> weights, int firstRow, KvSelection selection)
        {
            var share = 0f;
            foreach (var (first, count) in selection.Ranges)
            {
                foreach (var weight in weights.Slice(first - firstRow, count))
                    share += weight;
            }

            foreach (var row in selection.Rows)
                share += weights[row - firstRow];
            return MathF.Min(share, 1);
        }

        private static float[] Ones(int count)
        {
            var ones = new float[count];
            Array.Fill(ones, 1);
            return ones;
        }
    }
}

/// <summary>
/// What a row that was not read counts for in the sum of attention. The paper leaves it open (section IV, algorithm 1 takes "previous attention weights" of all
/// rows): where it counts for nothing, a row that was left out for a whole window has a sum of 0 and cannot come back.
/// </summary>
internal enum AlisaScoring
{
    /// <summary>Nothing, but for every so many steps, at which all keys are scored.</summary>
    Probe,

    /// <summary>Nothing: a row that is not read for a whole window never comes back.</summary>
    Literal,

    /// <summary>What it would have got: all keys are scored at every step, for the sum only.</summary>
    Dense,
}
