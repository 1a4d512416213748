using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// Neighbours whose keys are alike become one row (KVMerger): when a prompt is over, rows that lie side by side and point the same way are sets; of each the
/// row that collected most attention stays, in its place, and becomes the mean of all, weighted by how near their keys are to its own. The first and the
/// newest rows, and those that collected most attention, are left alone. The paper multiplies the mean value by the set's size; here the size is a log-weight
/// of the row, which puts numerator and denominator of the softmax right. Attention is collected from the last rows of the prompt, where the paper sums that
/// of all. A sequence that keeps its rows, for an audit or to take some back, reads all of them.
/// </summary>
public sealed class KVMerger(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "kvmerger", "all tokens of a prompt, neighbours that are alike as one; sinks, the newest and heavy hitters as they are",
        "KVMerger: Wang et al. 2024, arXiv 2407.08454", "kvmerger:heavy=1,min-context=0", static spec => new KVMerger(spec),
        ExactZones.Options(
            sinks: 4, recent: 32, denseLayers: "none",
            PolicyOption.Real("similarity", 0.75, 0, 1, "least cosine of the keys of two neighbours that are merged"),
            PolicyOption.Real("sigma", 5, 0, 1e6, "distance of keys over which the weight in the mean falls to 0.61"),
            PolicyOption.Real("heavy", 0.12, 0, 1, "heavy hitters left alone, of the prompt's tokens"),
            PolicyOption.Real("newest", 0.17, 0, 1, "newest tokens left alone, of the prompt's tokens"),
            PolicyOption.Whole("observed", 64, 1, 4096, "last prompt tokens whose attention is collected")))
    {
        Effect = PolicyEffect.Merge,
        Budgets = PolicyBudget.Of("similarity", 0.3, 0.5, 0.65, 0.75, 0.85),
    };

    private readonly MergedSets _sets = new(spec.Real("similarity"), spec.Real("sigma"));
    private readonly (float Heavy, float Newest) _alone = (spec.Real("heavy"), spec.Real("newest"));

    public override int ObservedPromptRows { get; } = spec.Whole("observed");

    public override bool DropsRows => true;

    public override bool SuitsGuesses => false;

    public override double IndexBytesPerToken(int dim) => sizeof(float);

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => MarkedSums.BytesFor(rows, marks: 0);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Neighbours(Zones, place, _sets, _alone);

    private sealed class Neighbours(ExactZones zones, HeadPlace place, MergedSets sets, (float Heavy, float Newest) alone) : ZonedSelector(zones)
    {
        private readonly MarkedSums _sums = new(place, marks: 0);

        public override long IndexBytes => _sums.Bytes;

        public override void Append(KvHead head, int firstRow, int rowCount) => _sums.Append(firstRow, rowCount);

        public override void EndPrompt(KvHead head) => _sums.EndPrompt(head.RowCount);

        public override void Truncate(int rows) => _sums.Truncate(rows);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride)
        {
            _sums.Learn(position + 1);
            for (var i = 0; i < rows.Count; i++)
            {
                ref var sum = ref _sums[rows[i]];
                for (var head = 0; head < place.GroupHeads; head++)
                    sum += weights[head * stride + i];
            }
        }

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var (first, end) = Zones.Middle(visible.First, visible.End);
            if (first >= end)
                return;
            (first, end) = (head.RowAt(first), head.RowAt(end));
            end = Math.Min(end, head.RowCount - (int)MathF.Ceiling(alone.Newest * head.RowCount));
            var heavy = (int)MathF.Ceiling(alone.Heavy * head.RowCount);
            if (heavy >= end - first)
                return;
            var sums = edit.Floats(end);
            for (var row = 0; row < end; row++)
                sums[row] = _sums[row];
            sets.Find(head, (first, end), sums, heavy, edit);
        }

        public override void Edited(KvHead head, RowEdit edit) => _sums.Edited(edit);

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            selection.AddRange(middle.First, middle.End - middle.First);
            return true;
        }

        protected override void Dispose(bool disposing)
        {
            _sums.Dispose();
            base.Dispose(disposing);
        }
    }
}
