using Kvasir.Attention.Indexes;
using Kvasir.Attention.Marks;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Blocks best first, a group at a time, until the weights read so far cover a share of the estimated total (PSA). The estimate of what was not read
/// comes from the weights of blocks that were; rows that are read whatever they weigh have no part in it. Query heads of a group, or of a layer, share their
/// blocks, ranked by the best score of any head, and reading stops when every head is covered. The paper's estimate and others hardly ever let it stop where
/// attention is spread; by default a few blocks are drawn by chance, and when they tell that so many drawn blocks know the mass of all that are left to within
/// what need not be covered, these are read and stand for all.
/// </summary>
public sealed class Psa : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "psa", "blocks of tokens, best first, until their weights cover the mass",
        "PSA: Zhou et al. 2025, arXiv 2503.00392", "psa:coverage=1,recent=8,min-context=0",
        static spec => new Psa(spec),
        ExactZones.Options(
            sinks: 32, recent: 64, denseLayers: "none",
            PolicyOption.Real("coverage", 0.95, 0, 1, "of the attention mass, that is read or known, at which reading stops"),
            PolicyOption.Real("most", 1, 0, 1, "of the blocks between the exact zones that a head reads, covered or not; below 1 none are drawn"),
            PolicyOption.Whole("block", 32, 2, 256, "tokens of a block"),
            PolicyOption.Whole("group", 0, 0, 4096, "blocks read at a time; 0 for most of what the last steps needed, then fewer"),
            PolicyOption.Choice("unit", "whose query heads read the same blocks", KvHeadUnit, LayerUnit),
            PolicyOption.Choice("metadata", "what is kept of a block to rank it by", "cuboid-mean", "cuboid-max", "centroid"),
            PolicyOption.Choice("tail", "how the mass of what was not read is known", "sampled", "last-mean", "min-times-left", "fit")))
    {
        Budgets = PolicyBudget.Of("coverage", 0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
    };

    private const string KvHeadUnit = "kv-head";
    private const string LayerUnit = "layer";
    private readonly BlockSummary _summary;

    internal Psa(PolicySpec spec)
        : base(spec)
    {
        (Coverage, Most, BlockRows, GroupBlocks) = (spec.Real("coverage"), spec.Real("most"), spec.Whole("block"), spec.Whole("group"));
        DecidesByLayer = spec.Is("unit", LayerUnit);
        (_summary, Tail) = (spec.Choice<BlockSummary>("metadata"), spec.Choice<TailEstimate>("tail"));
        // Who bounds what is read means pages that lie elsewhere: those that are drawn by chance would be there at every step.
        if (Most < 1 && Tail == TailEstimate.Sampled)
            Tail = TailEstimate.LastMean;
    }

    public override bool DecidesByLayer { get; }

    internal float Coverage { get; }

    internal float Most { get; }

    internal int BlockRows { get; }

    internal int GroupBlocks { get; }

    internal TailEstimate Tail { get; }

    public override int RowUnit => BlockRows;

    public override bool SuitsFiles => true;

    public override double IndexBytesPerToken(int dim) => BlockIndex.BytesPerToken(dim, BlockRows);

    public override string PartName => PartsOf($"{_summary} of {BlockRows}");

    public override int PartEnd(int firstRow) => BlockIndex.PartEnd(firstRow, BlockRows);

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => BlockIndex.BytesFor(place.Dim, BlockRows, rows);

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        if (!DecidesByLayer || Zones.DenseLayers.Contains(first.Layer))
        {
            base.CreateLayer(first, selectors);
            return;
        }

        var layer = new LayerBlocks();
        for (var i = 0; i < selectors.Length; i++)
            selectors[i] = Create(first with { KvHead = i }, layer);
    }

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => BlockIndex.PartBytes(place.Dim, BlockRows, rowCount);

    // A head that was made by itself decides by itself.
    protected override ZonedSelector CreateSparse(HeadPlace place) => Create(place, null);

    private Blocks Create(HeadPlace place, LayerBlocks? layer) => new(this, new BlockIndex(_summary, BlockRows, place), place, layer);

    private sealed class Blocks(Psa policy, BlockIndex index, HeadPlace place, LayerBlocks? layer) : ZonedSelector(policy.Zones)
    {
        private const int FewestAtOnce = 4;
        private const int RoundsBeforeDoubling = 3;
        private const float UsualShare = 0.8f;
        private const float Forgetting = 0.25f;

        // Beyond this share of all, choosing blocks costs more than reading the others; whether they are still needed is found out now and then.
        private const float DenseShare = 0.6f;
        private const int StepsBetweenTries = 16;
        private const int ManyBlocks = 64;

        // Of the blocks that are left: if more had to be drawn, more are read by their scores first.
        private const float MostDrawn = 0.5f;
        private readonly float[] _parts = new float[2 * place.GroupHeads * place.Dim];
        private readonly BlockProgress _progress = new(place.GroupHeads);

        // Of the numbers that steps teach: blocks that they take, and how many more of them read all before one tries to choose again.
        private const int Usual = 0;
        private const int UntilTry = 1;
        private readonly MarkedState _steps = new(2, initial: 0, place.TakeBack.Marks);
        private int _firstGroup;
        private int _group;
        private int _most;
        private float _coverage;
        private bool _readsAll;

        // Of the rows of the last round, when these were drawn and stand for others.
        private float _logWeight;

        public override long IndexBytes => index.Bytes;

        public override int RowsBefore => policy.BlockRows - 1;

        public override void Append(KvHead head, int firstRow, int rowCount) => index.Append(head, firstRow + rowCount);

        public override void WritePart(int firstRow, int rowCount, NativeView part) => index.Write(firstRow, rowCount, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part) => index.Read(firstRow, rowCount, part);

        public override void EndPrompt(KvHead head) => _steps.EndPrompt(head.RowCount);

        public override void Mark(int rows) => _steps.Mark(rows);

        public override void Truncate(int rows)
        {
            index.Truncate(rows);
            _steps.Truncate(rows);
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            index.Edited(head, edit);
            _steps.Edited(edit);
        }

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max)
        {
            // Blocks are listed; what is read whatever it weighs are ranges.
            if (!rows.IsRange)
                _progress.Add(listed, rows.Count, weights, stride, max);
        }

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            if (!(_logWeight > 0) || rows.IsRange)
                return;
            for (var head = 0; head < place.GroupHeads; head++)
            {
                foreach (ref var score in scores.Slice(head * stride, rows.Count))
                    score += _logWeight;
            }
        }

        protected override void Dispose(bool disposing)
        {
            index.Dispose();
            base.Dispose(disposing);
        }

        protected override void ConsiderMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum)
        {
            _readsAll = round == 0 ? _steps.Values[UntilTry] > 0 : _readsAll;
            if (_readsAll)
                return;
            if (round == 0)
            {
                var (first, end) = Whole(middle);
                _logWeight = 0;
                _progress.Begin(query.Scratch, first, end - first, policy.BlockRows);
                _most = policy.Most < 1 ? Math.Min(end - first, Math.Max(FewestAtOnce, (int)MathF.Ceiling(policy.Most * (end - first)))) : end - first;
                if (first < end)
                    index.Score(query.Queries, first, end - first, _parts, _progress.HeadScores);
                _progress.Rank();
                layer?.Rank(place.KvHead, _progress);
                return;
            }

            _coverage = policy.Tail == TailEstimate.Sampled ? 1 - Needed(sum) : _progress.Coverage(sum, policy.Tail, _group);
            layer?.Cover(place.KvHead, _coverage);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (layer is null)
                ConsiderMiddle(query, middle, round, sum);
            if (_readsAll)
                return SelectAll(query, middle, round, selection);
            if (round == 0)
            {
                SelectEdges(middle, selection);
                layer?.Agree(_progress);
                if (_progress.Left == 0)
                    return true;
            }
            else if (_progress.Taken >= _most || IsCovered)
            {
                if (TryDraw(query, round, selection))
                    return true;
                if (_progress.Left > 0 && !IsCovered)
                    selection.MarkCut();
                var steps = _steps.Learn(query.EndRow);
                steps[Usual] += Forgetting * (_progress.Taken - _progress.Drawn - steps[Usual]);
                steps[UntilTry] = policy.GroupBlocks == 0 && policy.Most >= 1 && IsDense ? StepsBetweenTries - 1 : 0;
                return false;
            }

            _group = Math.Min(NextGroup(round), _most - _progress.Taken);
            _progress.Take(_group, selection);
            if (round == 0 && policy.Tail == TailEstimate.Sampled)
                _progress.Probe(Seed(query, round), selection);
            return true;
        }

        // Whether reading by scores ends: what is left is little, or few enough of it will do.
        private bool IsCovered => _progress.Left == 0 || _logWeight > 0 || (policy.Tail == TailEstimate.Sampled
            ? (layer?.Coverage ?? _coverage) >= 1 - MostDrawn
            : (layer?.Coverage ?? _coverage) > policy.Coverage);

        // The share of what is left that has to be drawn; all of it where that cannot be told.
        private float Needed(in SoftmaxView sum)
        {
            var needed = policy.Coverage < 1 ? _progress.Needed(sum, 1 - policy.Coverage) : 1;
            return float.IsNaN(needed) ? _progress.Coverage(sum, TailEstimate.LastMean, _group) > policy.Coverage ? 0 : 1 : needed;
        }

        // Once, as the last round: blocks that stand for all that are left.
        private bool TryDraw(in HeadQuery query, int round, KvSelection selection)
        {
            var needed = 1 - (layer?.Coverage ?? _coverage);
            if (policy.Tail != TailEstimate.Sampled || _progress.Left == 0 || _logWeight > 0 || needed <= 0)
                return false;
            _logWeight = MathF.Log(_progress.Draw((int)MathF.Ceiling(needed * _progress.Left), Seed(query, round), selection));
            return true;
        }

        private ulong Seed(in HeadQuery query, int round) =>
            CounterNoise.Seed(CounterNoise.Seed((ulong)Zones.Seed, place.Layer, query.EndPosition), round, 0);

        // Its first round ranks anew, so that nothing of this stays; as many blocks as the last steps took.
        protected override bool ForeseeMiddle(in HeadQuery query, (int First, int End) middle, KvSelection selection)
        {
            if (layer is not null || _steps.Values[UntilTry] > 0)
                return false;
            ConsiderMiddle(query, middle, 0, default);
            _progress.Take(Math.Clamp((int)MathF.Ceiling(_steps.Values[Usual]), Math.Min(FewestAtOnce, _most), _most), selection);
            return true;
        }

        private bool IsDense => _progress.Taken > Math.Max(ManyBlocks, DenseShare * (_progress.Taken + _progress.Left));

        private bool SelectAll(in HeadQuery query, (int First, int End) middle, int round, KvSelection selection)
        {
            if (round > 0)
                return false;
            var (first, end) = Whole(middle);
            selection.AddRange(middle.First, middle.End - middle.First, blocks: end - first);
            _steps.Learn(query.EndRow)[UntilTry]--;
            return true;
        }

        // The blocks that lie between the zones as a whole; none begins where it ends.
        private (int First, int End) Whole((int First, int End) middle)
        {
            var (first, end) = ((middle.First + policy.BlockRows - 1) / policy.BlockRows, middle.End / policy.BlockRows);
            return (first, Math.Max(first, end));
        }

        // Rows that share a block with a zone are read too.
        private void SelectEdges((int First, int End) middle, KvSelection selection)
        {
            var (first, end) = Whole(middle);
            var (firstRow, endRow) = (Math.Min(first * policy.BlockRows, middle.End), Math.Min(end * policy.BlockRows, middle.End));
            selection.AddRange(middle.First, firstRow - middle.First);
            selection.AddRange(endRow, middle.End - endRow);
        }

        private int NextGroup(int round)
        {
            if (policy.GroupBlocks > 0)
                return policy.GroupBlocks;
            if (IsDense)
                return _progress.Left;
            if (round == 0)
            {
                // Where the last steps were cut short this one will be too: what it may read is read at once, and waited for once.
                var usual = UsualShare * _steps.Values[Usual];
                return _firstGroup = policy.Most < 1 && usual > 0.9f * UsualShare * _most ? _most : Math.Max(FewestAtOnce, (int)MathF.Ceiling(usual));
            }

            return round < RoundsBeforeDoubling ? Math.Max(FewestAtOnce, _firstGroup / 8) : 2 * _group;
        }
    }
}
