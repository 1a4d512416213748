using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// Heavy hitters (H2O, algorithm 1): the newest rows, and those that have collected most attention so far. A row that falls out is never read again: it is
/// dropped, and its memory freed. The rows of a prompt are all there until it is over. The budget is a share of the prompt. Attention is collected from the
/// last rows of the prompt, not from all of them as in the paper, whose column sums would take a second pass over the prompt's attention.
/// </summary>
public sealed class H2O(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "h2o", "the tokens that have collected most attention; the others are given up for good",
        "H2O: Zhang et al. 2023, arXiv 2306.14048", "h2o:heavy=1,newest=1,min-context=0",
        static spec => new H2O(spec),
        ExactZones.Options(
            sinks: 0, recent: 64, denseLayers: "none",
            PolicyOption.Real("heavy", 0.1, 0, 1, "heavy hitters kept, of the prompt's tokens"),
            PolicyOption.Real("newest", 0.1, 0, 1, "newest tokens kept, of the prompt's tokens"),
            PolicyOption.Whole("observed", 64, 1, 4096, "last prompt tokens whose attention is collected")))
    {
        Effect = PolicyEffect.Drop,
        Budgets = PolicyBudget.Of("heavy", "newest", (0.01, 0.01), (0.025, 0.025), (0.05, 0.05), (0.1, 0.1), (0.2, 0.2)),
    };

    private readonly float _heavy = spec.Real("heavy");
    private readonly float _newest = spec.Real("newest");
    private readonly int _observed = spec.Whole("observed");

    public override int ObservedPromptRows => _observed;

    public override bool ObservesDecode => true;

    public override double IndexBytesPerToken(int dim) => sizeof(float);

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => MarkedSums.BytesFor(rows, place.TakeBack.Marks);

    public override bool DropsRows => true;

    protected override int RowsDropped((int Layer, int LayerCount) place, (int First, int End) middle, int promptRows)
    {
        var old = Math.Max(middle.First, middle.End - (int)MathF.Ceiling(_newest * promptRows));
        return Math.Max(0, old - middle.First - (int)MathF.Ceiling(_heavy * promptRows));
    }

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Heavy(Zones, place, _heavy, _newest);

    private sealed class Heavy : ZonedSelector
    {
        private readonly HeadPlace _place;
        private readonly float _heavy;
        private readonly float _newest;
        private readonly MarkedSums _sums;
        private readonly GivenUpRows _givenUp;
        private int _rows;
        private int _promptRows;
        private bool _hasChosen;

        public Heavy(ExactZones zones, HeadPlace place, float heavy, float newest)
            : base(zones)
        {
            (_place, _heavy, _newest) = (place, heavy, newest);
            _sums = new MarkedSums(place, place.TakeBack.Marks);
            _givenUp = new GivenUpRows(_sums);
        }

        public override long IndexBytes => _sums.Bytes;

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            _rows = firstRow + rowCount;
            _sums.Append(firstRow, rowCount);
        }

        public override void EndPrompt(KvHead head)
        {
            _promptRows = head.RowCount;
            _sums.EndPrompt(_promptRows);
        }

        public override void Mark(int rows) => _sums.Mark(rows);

        public override void Truncate(int rows)
        {
            _rows = Math.Min(_rows, rows);
            (_promptRows, _hasChosen) = rows < _promptRows ? (0, false) : (_promptRows, _hasChosen);
            _sums.Truncate(_rows);
            _givenUp.CountAnew(_rows);
        }

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
        {
            _sums.Learn(position + 1);
            for (var i = 0; i < rows.Count; i++)
            {
                ref var sum = ref _sums[rows[i]];
                for (var head = 0; head < _place.GroupHeads; head++)
                    sum += weights[head * stride + i];
            }
        }

        public override int DroppableRows(KvHead head, (int First, int End) visible) => _givenUp.Count;

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            // At the end of a prompt, as the first token would.
            var (first, end) = Zones.Middle(visible.First, visible.End);
            if (!_hasChosen && first < end)
                GiveUp((head.RowAt(first), head.RowAt(end)), edit.Whole(head.RowCount), edit.Floats(head.RowCount));
            _givenUp.Drop(edit, _rows);
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            _sums.Edited(edit);
            _rows = head.RowCount;
            _givenUp.CountAnew(_rows);
        }

        protected override void Dispose(bool disposing)
        {
            _sums.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            _sums.Learn(query.EndRow);
            var rows = query.Scratch.Whole(middle.End - middle.First);
            var (old, kept) = GiveUp(middle, rows, query.Scratch.Floats(rows.Length));
            foreach (var row in rows[..kept])
                selection.Add(row);
            selection.AddRange(old, middle.End - old);
            return true;
        }

        // Gives up what is neither among the newest nor heavy. Says where the newest begin, and how many rows before them are left: the first of the rows.
        private (int Old, int Count) GiveUp((int First, int End) middle, Span<int> rows, Span<float> sums)
        {
            _hasChosen = true;
            var prompt = _promptRows > 0 ? _promptRows : _rows;
            var (most, recent) = ((int)MathF.Ceiling(_heavy * prompt), (int)MathF.Ceiling(_newest * prompt));
            var old = Math.Max(middle.First, middle.End - recent);
            var alive = _givenUp.FindOthers((middle.First, old), rows, sums);
            if (alive <= most)
                return (old, alive);
            // Of rows with equal sums the oldest go first.
            var threshold = most == 0 ? float.PositiveInfinity : LargestNumbers.Largest(sums[..alive], most);
            var (surplus, left) = (alive - most, 0);
            foreach (var x in sums[..alive])
                surplus -= x < threshold ? 1 : 0;
            for (var i = 0; i < alive; i++)
            {
                if (sums[i] < threshold || (sums[i] == threshold && surplus-- > 0))
                    _givenUp.Add(rows[i]);
                else
                    rows[left++] = rows[i];
            }

            return (old, left);
        }
    }
}
