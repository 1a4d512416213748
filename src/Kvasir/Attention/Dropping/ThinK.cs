using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Attention.Dropping;

/// <summary>
/// Fewer elements of keys (ThinK): when a prompt is over, each head gives up those elements of its keys that the last queries of the prompt use least, by the
/// mean of their squares in queries times that in keys. The newest rows keep all, and so do those that come. Every row goes on being read. Queries that share a
/// head are counted together, where the paper's code has a choice for each; and rows lie in blocks, of 32 elements or, of bf16 and f32, of 16, so that as many
/// elements stay as their blocks hold. It goes with any format: of keys that are stored by channel as kivi's are, those that stay are what they were.
/// </summary>
public sealed class ThinK(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "think", "all tokens, by fewer elements of a prompt's keys: those that its last queries use most",
        "ThinK: Xu et al. 2024, arXiv 2407.21018", "think:ratio=1e-9,min-context=0", static spec => new ThinK(spec),
        ExactZones.Options(
            sinks: 0, recent: 32, denseLayers: "none",
            PolicyOption.Real("ratio", 0.4, 0, 0.99, "of a key's elements that are given up, or fewer where blocks of 16 or 32 hold more"),
            PolicyOption.Whole("observed", 32, 1, 4096, "last prompt tokens whose queries decide")))
    {
        Effect = PolicyEffect.Store,
        Budgets = PolicyBudget.Of("ratio", 0.9, 0.75, 0.6, 0.5, 0.4),
    };

    private readonly float _ratio = spec.Real("ratio");

    public override int ObservedPromptRows { get; } = spec.Whole("observed");

    public override bool DropsRows => true;

    public override bool SuitsGuesses => false;

    /// <summary>Elements of a key that stay.</summary>
    internal int Kept(int dim, KvFormat format)
    {
        var kept = Math.Max(1, dim - (int)(_ratio * dim));
        var block = format.Keys.CutElements;
        var whole = (kept + block - 1) / block * block;
        return whole < dim ? whole : kept;
    }

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Channels(this, place);

    private sealed class Channels(ThinK policy, HeadPlace place) : ZonedSelector(policy.Zones)
    {
        // Of the queries: sums of squares.
        private readonly double[] _squares = new double[place.Dim];
        private int _promptRows;

        public override void EndPrompt(KvHead head) => _promptRows = head.RowCount;

        public override void Truncate(int rows)
        {
            // Into a prompt, which is observed again; behind it nothing is learnt.
            if (rows < _promptRows)
                Array.Clear(_squares);
        }

        public override void ObserveQueries(int position, ReadOnlySpan<float> queries)
        {
            for (var i = 0; i < queries.Length; i++)
                _squares[i % place.Dim] += (double)queries[i] * queries[i];
        }

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var (first, end) = Zones.Middle(visible.First, visible.End);
            end = Math.Min(end, head.RowCount);
            var kept = policy.Kept(place.Dim, head.Format);
            if (first >= end || kept == place.Dim)
                return;
            var key = edit.Floats(place.Dim);
            var scores = new double[place.Dim];
            for (var row = 0; row < end; row++)
            {
                head.Keys.Decode(row, key);
                for (var i = 0; i < key.Length; i++)
                    scores[i] += (double)key[i] * key[i];
            }

            var order = new int[place.Dim];
            for (var i = 0; i < order.Length; i++)
                (order[i], scores[i]) = (i, -scores[i] * _squares[i]);
            scores.AsSpan().Sort(order.AsSpan());
            order.AsSpan(0, kept).Sort();
            edit.NarrowKeys(order.AsSpan(0, kept), end);
        }

        // Rows are as many as they were.
        public override void Edited(KvHead head, RowEdit edit)
        {
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            selection.AddRange(middle.First, middle.End - middle.First);
            return true;
        }
    }
}
