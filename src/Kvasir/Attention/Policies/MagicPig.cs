using Kvasir.Attention.Indexes;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Sampling by locality-sensitive hashing (MagicPIG). Keys of the prompt, less their mean, are hashed by random planes into tables of buckets; a query head
/// reads the keys that share at least two buckets with it, and a key's weight is divided by the probability that it is found, which follows from the cosine.
/// What is not in the tables yet, and the zones, are read exactly.
/// </summary>
public sealed class MagicPig : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "magicpig", "keys that random planes put beside the query, weighted by how likely that was", "MagicPIG: Chen et al. 2024, arXiv 2410.16179",
        "magicpig:bits=1,tables=1024,recent=8,dense-layers=none,min-context=0",
        static spec => new MagicPig(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "0", minContext: 8192,
            PolicyOption.Whole("bits", 10, 1, 16, "K: bits of a code, so that a table has 2^K buckets"),
            PolicyOption.Whole("tables", 150, 2, 1024, "L: tables; a key is read when it shares a bucket in two"),
            PolicyOption.Choice(
                "centre", "what is taken off keys before they are hashed; none shows what centring is good for, and finds next to nothing", "mean", "none"),
            PolicyOption.Whole("learn", 8192, 64, 1 << 20, "first tokens of a prompt, whose mean that is; of a shorter prompt all"),
            PolicyOption.Choice("mode", "faithful: 1e-4 is added to probabilities, and generated tokens are never hashed", "exact", "faithful"),
            PolicyOption.Whole("segment", 2048, 64, HashTables.MostRows, "generated tokens that are hashed together; before that they are read exactly")))
    {
        Budgets = PolicyBudget.Of("bits", "tables", (13, 100), (12, 110), (11, 150), (10, 150), (9, 150), (8, 150)),
    };

    private const double ReferenceFloor = 1e-4;
    private const int PartRows = PagePool.PageTokens;

    internal MagicPig(PolicySpec spec)
        : base(spec)
    {
        (Bits, Tables, SegmentRows) = (spec.Whole("bits"), spec.Whole("tables"), spec.Whole("segment"));
        LearnRows = PartRows * ((spec.Whole("learn") + PartRows - 1) / PartRows);
        IsFaithful = spec.Choice<Mode>("mode") == Mode.Faithful;
        Centres = spec.Choice<Centre>("centre") == Centre.Mean;
        Law = new CollisionLaw(Bits, Tables, IsFaithful ? ReferenceFloor : 0);
    }

    private enum Mode
    {
        Exact,
        Faithful,
    }

    private enum Centre
    {
        Mean,
        None,
    }

    internal int Bits { get; }

    internal int Tables { get; }

    internal int SegmentRows { get; }

    /// <summary>Whoever begins with so many rows has the same codes of them.</summary>
    internal int LearnRows { get; }

    internal bool IsFaithful { get; }

    internal bool Centres { get; }

    internal CollisionLaw Law { get; }

    /// <summary>Numbers of rows in every table, and the length of the key; where buckets begin comes to that, for up to 65,536 tokens together.</summary>
    public override double IndexBytesPerToken(int dim) => HashedKeys.BytesPerToken(Tables, Bits);

    // A bucket of each table for each query, as full as codes that are spread evenly make them; ids are of 16 bits.
    public override double IndexBytesRead(int dim, int groupHeads) =>
        Math.Min(IndexBytesPerToken(dim), (double)groupHeads * Tables * sizeof(ushort) / (1 << Bits));

    // Keys are hashed when all are there.
    public override double AppendRowCost(int dim) => 0;

    public override double BuildRowCost(int dim) => Tables * Bits / 1500.0;

    public override double PartRowCost(int dim) => BuildRowCost(dim) / 16;

    public override string PartName =>
        PartsOf($"{Tables} hashes of {Bits} bits, seed {Zones.Seed}, less {(Centres ? "the mean" : "nothing")} from {Zones.Sinks} to {LearnRows}");

    public override int PartEnd(int firstRow) => firstRow == 0 ? LearnRows : firstRow >= LearnRows && firstRow % PartRows == 0 ? firstRow + PartRows : firstRow;

    // Planes are the same for every sequence.
    public override long SharedIndexBytes(AttentionShape shape) =>
        (long)Enumerable.Range(0, shape.LayerCount).Count(layer => !Zones.DenseLayers.Contains(layer))
            * shape.KvHeadCount * SignPlanes.BytesFor(Tables, Bits, shape.Dim);

    public override IDisposable? ShareIndex(AttentionShape shape) =>
        new HeadPlanes(shape, (layer, kvHead) => Zones.DenseLayers.Contains(layer) ? null : Draw(layer, kvHead, shape.Dim));

    // Generated tokens are hashed in segments, of which the first may be a short one, and so are those of a prompt behind a prefix when they are few.
    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows)
    {
        var prefix = HasPrefix(place) ? Math.Min(rows, place.PrefixRows) : 0;
        var (own, generated) = (Math.Min(rows, promptRows) - prefix, IsFaithful ? 0 : Math.Max(0, rows - promptRows));
        var (together, later) = prefix == 0 || own >= SegmentRows ? (own, generated) : (0, IsFaithful ? 0 : own + generated);
        var segments = SegmentCount(prefix) + SegmentCount(together) + (later == 0 ? 0 : 1 + (later / SegmentRows));
        return HashedKeys.BytesFor(Tables, Bits, prefix + together + later, segments);
    }

    protected override long SparsePartBytes(HeadPlace place, int rowCount) =>
        rowCount == LearnRows ? HashedPart.FirstBytes(Tables, rowCount, place.Dim) : HashedPart.Bytes(Tables, rowCount);

    protected override IDisposable? CreateSparsePrefix(HeadPlace place) =>
        HasPrefix(place) && place.Shared is HeadPlanes planes ? NewPrefix(place, planes.Of(place)) : null;

    protected override long SparsePrefixBytes(HeadPlace place) =>
        HasPrefix(place) ? HashedKeys.BytesFor(Tables, Bits, place.PrefixRows, SegmentCount(place.PrefixRows)) : 0;

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Sampled(this, place);

    private bool HasPrefix(HeadPlace place) => place.PrefixRows > Zones.Sinks;

    // All rows but the first, to the end: what of them is among the newest is read anyway.
    private HashedKeys NewPrefix(HeadPlace place, SignPlanes planes)
    {
        var keys = new HashedKeys(planes, place, SegmentRows);
        keys.Begin(Zones.Sinks, place.PrefixRows, MeanEnd(place.PrefixRows));
        return keys;
    }

    // Where the rows end whose mean is taken off those of [Sinks, end).
    private int MeanEnd(int end) => Centres ? Math.Max(Zones.Sinks, Math.Min(end, LearnRows)) : Zones.Sinks;

    private static int SegmentCount(int rows) => (rows + HashTables.MostRows - 1) / HashTables.MostRows;

    private SignPlanes Draw(int layer, int kvHead, int dim) => new(Tables, Bits, dim, CounterNoise.Seed((ulong)Zones.Seed, layer, kvHead));

    private sealed class Sampled : ZonedSelector
    {
        private readonly MagicPig _policy;
        private readonly SignPlanes _planes;
        private readonly SignPlanes? _ownPlanes;
        private readonly HeadPlace _place;
        private readonly HashedKeys _keys;

        // Of the rows with which others begin too; null where there are none.
        private readonly HashedKeys? _prefix;
        private readonly bool _ownsPrefix;
        private readonly NativeBuffer _queryScratch;
        private readonly float[] _meanScores;
        private readonly float[] _inverseQueries;
        private float _cap;
        private readonly ushort[] _queryCodes;
        private SelectorScratch? _scratch;
        private (int First, int End) _found;
        private int _promptRows;
        private int _rows;
        private int _promptSegments;

        // Whether there is a mean to be taken off keys that come: the prompt's, even when none of its rows is left.
        private bool _hasMean;

        // Once the prompt has ended, while its prefix is not complete.
        private bool _awaitsPrefix;

        public Sampled(MagicPig policy, HeadPlace place)
            : base(policy.Zones)
        {
            (_policy, _place) = (policy, place);
            // A head by itself, as in a study, draws its own.
            _ownPlanes = place.Shared is null ? policy.Draw(place.Layer, place.KvHead, place.Dim) : null;
            _planes = _ownPlanes ?? ((HeadPlanes)place.Shared!).Of(place);
            _keys = new HashedKeys(_planes, place, policy.SegmentRows);
            if (policy.HasPrefix(place))
                (_prefix, _ownsPrefix) = place.Prefix is HashedKeys prefix ? (prefix, false) : (policy.NewPrefix(place, _planes), true);
            _queryScratch = NativeBuffer.Uninitialized(_planes.ScratchBytes(place.GroupHeads));
            (_meanScores, _inverseQueries) = (new float[place.GroupHeads], new float[place.GroupHeads]);
            _queryCodes = new ushort[place.GroupHeads * policy.Tables];
        }

        public override long IndexBytes => _keys.Bytes + (_ownsPrefix ? _prefix!.Bytes : 0);

        // Joining a prefix that another has built meanwhile is one of them, so that it is asked for.
        // Before the prompt ends, codes that were there wait for those of the rest.
        public override int RowsWaiting => _awaitsPrefix ? Math.Max(1, _prefix!.RowsWaiting) : _hasMean ? _keys.RowsWaiting : 0;

        // Of the first segment of generated rows each head takes another part, so that not all heads hash in the same step.
        private int NextRows
        {
            get
            {
                const int Turns = 16;
                var turn = (_place.Layer * Turns) + (_place.KvHead % Turns) + 1;
                return _keys.Segments.Length > _promptSegments
                    ? _policy.SegmentRows
                    : Math.Max(1, (int)((long)_policy.SegmentRows * turn / (_place.LayerCount * Turns)));
            }
        }

        public override void EndPrompt(KvHead head)
        {
            (_promptRows, _rows) = (head.RowCount, head.RowCount);
            var (first, end) = (Zones.Sinks, head.RowCount - Zones.Recent);
            if (first >= end)
                return;
            if (_prefix is not null)
            {
                _awaitsPrefix = true;
                if (_prefix.RowsWaiting == 0)
                    JoinPrefix();
                return;
            }

            if (_keys.WantedEnd != end)
                Begin(end);
            (_promptSegments, _hasMean) = (SegmentCount(end - first), true);
        }

        public override int RowsForParts => _keys.WantedEnd >= _policy.LearnRows && _prefix is null ? _keys.CodesEnd : 0;

        public override void WritePart(int firstRow, int rowCount, NativeView part) => _keys.Write(firstRow, Part(rowCount, part));

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part)
        {
            // As the prompt's end will, of a prompt that is long enough for these parts.
            var end = _place.PromptRows - Zones.Recent;
            if (end < _policy.LearnRows || _prefix is not null)
                return;
            if (firstRow == 0)
                Begin(end);
            if (_keys.WantedEnd == end)
                _keys.Read(firstRow, Part(rowCount, part));
        }

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            _rows = firstRow + rowCount;
            AddDue();
        }

        public override void Build(KvHead head, int rows, IndexScratch scratch)
        {
            if (!_awaitsPrefix)
                _keys.Build(head, rows, scratch);
            else if (_prefix!.RowsWaiting > 0)
                _prefix.Build(head, rows, scratch);
            if (_awaitsPrefix && _prefix!.RowsWaiting == 0)
                JoinPrefix();
            AddDue();
        }

        public override void Truncate(int rows)
        {
            (_promptRows, _rows) = (rows < _promptRows ? 0 : _promptRows, Math.Min(_rows, rows));
            _awaitsPrefix &= _promptRows > 0;
            // A segment is hashed when the newest rows, which are read exactly, come after it; a prefix to its end.
            _keys.Truncate(_promptRows == 0 ? 0 : Math.Max(rows - Zones.Recent, _prefix?.EndRow ?? 0));
            _promptSegments = Math.Min(_promptSegments, _keys.Segments.Length);
            _hasMean = _promptSegments > 0;
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            (_promptRows, _rows) = (edit.KeptBefore(_promptRows), head.RowCount);
            _promptSegments = _keys.Edited(edit, _promptSegments, edit.Whole(Math.Min(edit.RowCount, HashTables.MostRows)));
        }

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            // Found rows are listed; zones and what is not hashed yet are ranges.
            if (rows.IsRange)
                return;
            for (var head = 0; head < _place.GroupHeads; head++)
            {
                var cosine = new CosineOf(_meanScores[head], _inverseQueries[head]);
                var found = new FoundKeys(FoundLengths.Slice(listed, rows.Count), FoundBits(head), listed);
                found.Weigh(scores.Slice(head * stride, rows.Count), cosine, _policy.Law.Weights, _cap);
            }
        }

        protected override void Dispose(bool disposing)
        {
            _keys.Dispose();
            if (_ownsPrefix)
                _prefix!.Dispose();
            _queryScratch.Dispose();
            _ownPlanes?.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var first = _keys.Segments.Length == 0 ? middle.End : Math.Clamp(_keys.Segments[0].First, middle.First, middle.End);
            _found = (first, Math.Clamp(_keys.EndRow, first, middle.End));
            selection.AddRange(middle.First, first - middle.First);
            selection.AddRange(_found.End, middle.End - _found.End);
            if (_found.First == _found.End)
                return true;
            Find(query);
            Select(selection);
            return true;
        }

        private HashedPart Part(int rows, NativeView memory) => new(memory, _policy.Tables, rows, _place.Dim);

        private void Begin(int end) => _keys.Begin(Zones.Sinks, end, _policy.MeanEnd(end), keepsCodes: end >= _policy.LearnRows);

        // Before the prompt ends, all of it is read anyway. One segment after the other, however many rows came at a time.
        private void AddDue()
        {
            if (!_policy.IsFaithful && _hasMean && _keys.RowsWaiting == 0 && _rows - Zones.Recent - _keys.EndRow >= NextRows)
                _keys.Add(NextRows);
        }

        // The rest of the prompt is hashed with the mean of the prefix: together, or with what is generated when there is too little of it for tables of
        // its own.
        private void JoinPrefix()
        {
            _keys.Adopt(_prefix!);
            var own = _promptRows - Zones.Recent - _keys.EndRow;
            if (own >= _policy.SegmentRows)
                _keys.Add(own);
            _promptSegments = _keys.Segments.Length + (own >= _policy.SegmentRows ? SegmentCount(own) : 0);
            (_hasMean, _awaitsPrefix) = (_promptSegments > 0, false);
            AddDue();
        }

        private void Find(in HeadQuery query)
        {
            (_scratch, _cap) = (query.Scratch, query.Head.ScoreCap);
            _planes.Hash(query.Queries, _queryScratch.View, _queryCodes);
            foreach (var segment in _keys.Segments)
            {
                for (var head = 0; head < _place.GroupHeads; head++)
                    segment.Tables.Ask(Codes(head));
            }

            for (var head = 0; head < _place.GroupHeads; head++)
            {
                var own = query.Queries.Slice(head * _place.Dim, _place.Dim);
                var length = MathF.Sqrt(VectorMath.Dot(own, own));
                (_meanScores[head], _inverseQueries[head]) = (VectorMath.Dot(own, _keys.Mean), length > 0 ? 1 / length : 0);
                foreach (var segment in _keys.Segments)
                {
                    var counts = Counts(segment.Tables.Rows);
                    segment.Tables.Count(Codes(head), counts);
                    FoundRows.Mark(counts, 2, Bitmaps(head, 1)[segment.FirstWord..]);
                }
            }
        }

        // What any head of the group has found, in the order of rows.
        private void Select(KvSelection selection)
        {
            var (listed, words) = (selection.Rows.Length, _keys.Words);
            Bitmaps(_place.GroupHeads + 1, _place.GroupHeads).Clear();
            foreach (var segment in _keys.Segments)
            {
                var own = (segment.Tables.Rows + 63) / 64;
                var any = Any.Slice(segment.FirstWord, own);
                FoundRows.Unite(Bitmaps(0, _place.GroupHeads)[segment.FirstWord..], words, _found.First - segment.First, _found.End - segment.First, any);
                for (var head = 0; head < _place.GroupHeads; head++)
                    FoundRows.AppendBits(Bitmaps(head, 1).Slice(segment.FirstWord, own), any, FoundBits(head), listed);
                for (var word = 0; word < own; word++)
                    selection.AddBits(segment.First + word * 64, any[word]);
                var rows = selection.Rows[listed..];
                Gather(segment, rows, FoundLengths.Slice(listed, rows.Length));
                listed += rows.Length;
            }
        }

        private static void Gather(in HashedSegment segment, ReadOnlySpan<int> rows, Span<float> lengths)
        {
            var all = segment.InverseLengths.Span<float>(0, segment.Tables.Rows);
            for (var i = 0; i < rows.Length; i++)
                lengths[i] = all[rows[i] - segment.First];
        }

        private ReadOnlySpan<ushort> Codes(int head) => _queryCodes.AsSpan(head * _policy.Tables, _policy.Tables);

        // Bitmaps: of each head the rows that share two buckets with its query; those of any head; of each head whether it has found the rows on the list.
        // Behind them the lengths of the rows on the list, in the place of which rows are counted before.
        private Span<ulong> Bitmaps(int first, int count) => _scratch!.Elements<ulong>(2 * first * _keys.Words, count * _keys.Words);

        private Span<ulong> Any => Bitmaps(_place.GroupHeads, 1);

        private Span<ulong> FoundBits(int head) => Bitmaps(_place.GroupHeads + 1 + head, 1);

        private Span<float> FoundLengths => _scratch!.Elements<float>(2 * (2 * _place.GroupHeads + 1) * _keys.Words, _found.End - _found.First);

        private Span<byte> Counts(int rows) => _scratch!.Elements<byte>(2 * (2 * _place.GroupHeads + 1) * _keys.Words, rows);
    }
}
