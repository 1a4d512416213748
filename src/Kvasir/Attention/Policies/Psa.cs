using Kvasir.Cache;
using Kvasir.Kernels.Attention;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Blocks best first, a group at a time, until the weights read so far cover a share of the estimated total (PSA). The estimate of what was not read
/// comes from the weights of blocks that were; rows that are read whatever they weigh have no part in it. Query heads of a group share their blocks, ranked by
/// the best score of any head, and reading stops when every head is covered.
/// </summary>
public sealed class Psa : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "psa", "blocks of tokens, best first, until their weights cover the mass", "PSA: Zhou et al. 2025, arXiv 2503.00392", "psa:coverage=1,recent=8,min-context=0",
        static values => new Psa(values),
        ExactZones.Options(
            sinks: 32, recent: 64, denseLayers: "none",
            PolicyOption.Real("coverage", 0.95, 0, 1, "of the attention mass, at which reading stops"),
            PolicyOption.Whole("block", 32, 2, 256, "tokens of a block"),
            PolicyOption.Whole("group", 0, 0, 4096, "blocks read at a time; 0 for most of what the last steps needed, then fewer"),
            PolicyOption.Choice("metadata", "what is kept of a block to rank it by", "cuboid-mean", "cuboid-max", "centroid"),
            PolicyOption.Choice("tail", "how the mass of what was not read is guessed", "last-mean", "min-times-left", "fit")));

    private readonly BlockSummary _summary;

    internal Psa(PolicyValues values)
        : base(values)
    {
        (Coverage, BlockRows, GroupBlocks) = (values.Real("coverage"), values.Whole("block"), values.Whole("group"));
        (_summary, Tail) = (values.Choice<BlockSummary>("metadata"), values.Choice<TailEstimate>("tail"));
    }

    internal float Coverage { get; }

    internal int BlockRows { get; }

    internal int GroupBlocks { get; }

    internal TailEstimate Tail { get; }

    public override double IndexBytesPerToken(int dim) => BlockIndex.BytesPerToken(dim, BlockRows);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Blocks(this, new BlockIndex(_summary, BlockRows, place), place);

    private sealed class Blocks(Psa policy, BlockIndex index, HeadPlace place) : ZonedSelector(policy.Zones)
    {
        private const int FewestAtOnce = 4;
        private const int RoundsBeforeDoubling = 3;
        private const float UsualShare = 0.8f;
        private const float Forgetting = 0.25f;
        private readonly float[] _parts = new float[2 * place.GroupHeads * place.Dim];
        private readonly BlockProgress _progress = new(place.GroupHeads);
        private float _usual;
        private int _firstGroup;
        private int _group;

        public override long IndexBytes => index.Bytes;

        public override void Append(KvHead head, int firstRow, int rowCount) => index.Append(head, firstRow + rowCount);

        public override void Truncate(int rows) => index.Truncate(rows);

        public override void Weighed(in RowSet rows, ReadOnlySpan<float> weights, int stride, in SoftmaxSum sum)
        {
            // Blocks are listed; what is read whatever it weighs are ranges.
            if (!rows.IsRange)
                _progress.Add(rows.Count, weights, stride, sum.Max);
        }

        protected override void Dispose(bool disposing)
        {
            index.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxSum sum, KvSelection selection)
        {
            if (round == 0)
            {
                if (!Begin(query, middle, selection))
                    return true;
            }
            else if (_progress.Left == 0 || _progress.Coverage(sum, policy.Tail, _group) > policy.Coverage)
            {
                _usual += Forgetting * (_progress.Taken - _usual);
                return false;
            }

            _group = NextGroup(round);
            _progress.Take(_group, selection);
            return true;
        }

        // False when no whole block lies between the zones.
        private bool Begin(in HeadQuery query, (int First, int End) middle, KvSelection selection)
        {
            var (first, end) = ((middle.First + policy.BlockRows - 1) / policy.BlockRows, middle.End / policy.BlockRows);
            _progress.Begin(query.Scratch, first, Math.Max(0, end - first), policy.BlockRows);
            if (first >= end)
            {
                selection.AddRange(middle.First, middle.End - middle.First);
                return false;
            }

            // Rows that share a block with a zone are read too.
            selection.AddRange(middle.First, first * policy.BlockRows - middle.First);
            selection.AddRange(end * policy.BlockRows, middle.End - end * policy.BlockRows);
            index.Score(query.Queries, first, end - first, _parts, _progress.HeadScores);
            _progress.Rank();
            return true;
        }

        private int NextGroup(int round)
        {
            if (policy.GroupBlocks > 0)
                return policy.GroupBlocks;
            if (round == 0)
                return _firstGroup = Math.Max(FewestAtOnce, (int)MathF.Ceiling(UsualShare * _usual));
            return round < RoundsBeforeDoubling ? Math.Max(FewestAtOnce, _firstGroup / 8) : 2 * _group;
        }
    }
}
