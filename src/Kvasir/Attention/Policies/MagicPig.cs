using System.Collections.Concurrent;
using System.Numerics;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Sampling by locality-sensitive hashing (MagicPIG). Keys of the prompt, less their mean, are hashed by random planes into tables of buckets; a query head
/// reads the keys that share at least two buckets with it, and a key's weight is divided by the probability that it is found, which follows from the cosine. What
/// is not in the tables yet, and the zones, are read exactly.
/// </summary>
public sealed class MagicPig : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "magicpig", "keys that random planes put beside the query, weighted by how likely that was", "MagicPIG: Chen et al. 2024, arXiv 2410.16179",
        "magicpig:bits=1,tables=1024,recent=8,dense-layers=none,min-context=0",
        static values => new MagicPig(values),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "0",
            PolicyOption.Whole("bits", 10, 1, 16, "K: bits of a code, so that a table has 2^K buckets"),
            PolicyOption.Whole("tables", 150, 2, 1024, "L: tables; a key is read when it shares a bucket in two"),
            PolicyOption.Choice("mode", "faithful: 1e-4 is added to probabilities, and generated tokens are never hashed", "exact", "faithful"),
            PolicyOption.Whole("segment", 2048, 64, HashTables.MostRows, "generated tokens that are hashed together; before that they are read exactly")));

    private const double ReferenceFloor = 1e-4;
    private readonly ConcurrentDictionary<(int Layer, int KvHead, int Dim), SignPlanes> _planes = new();

    internal MagicPig(PolicyValues values)
        : base(values)
    {
        (Bits, Tables, SegmentRows) = (values.Whole("bits"), values.Whole("tables"), values.Whole("segment"));
        IsFaithful = values.Choice<Mode>("mode") == Mode.Faithful;
        Law = new CollisionLaw(Bits, Tables, IsFaithful ? ReferenceFloor : 0);
    }

    private enum Mode
    {
        Exact,
        Faithful,
    }

    internal int Bits { get; }

    internal int Tables { get; }

    internal int SegmentRows { get; }

    internal bool IsFaithful { get; }

    internal CollisionLaw Law { get; }

    /// <summary>Numbers of rows in every table, and the length of the key; where buckets begin comes to that, for up to 65,536 tokens together.</summary>
    public override double IndexBytesPerToken(int dim) => (double)HashTables.BytesFor(Tables, Bits, HashTables.MostRows) / HashTables.MostRows + sizeof(float);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Sampled(this, Planes(place), place);

    // The same for every sequence; drawn when first wanted.
    private SignPlanes Planes(HeadPlace place) => _planes.GetOrAdd(
        (place.Layer, place.KvHead, place.Dim),
        (key, policy) => new SignPlanes(policy.Tables, policy.Bits, key.Dim, CounterNoise.Seed((ulong)policy.Zones.Seed, key.Layer, key.KvHead)), this);

    private sealed class Sampled : ZonedSelector
    {
        private const int HashedAtOnce = 256;
        private const int LengthsPerPage = 1024;
        private readonly MagicPig _policy;
        private readonly SignPlanes _planes;
        private readonly HeadPlace _place;
        private readonly List<Segment> _segments = [];
        private readonly NativePages _inverseLengths;
        private readonly NativeBuffer _queryScratch;
        private readonly float[] _mean;
        private readonly float[] _meanScores;
        private readonly float[] _inverseQueries;
        private readonly ushort[] _queryCodes;
        private SelectorScratch? _scratch;
        private (int First, int End) _found;
        private bool _promptEnded;
        private int _hashedEnd;

        public Sampled(MagicPig policy, SignPlanes planes, HeadPlace place)
            : base(policy.Zones)
        {
            (_policy, _planes, _place) = (policy, planes, place);
            _inverseLengths = new NativePages(LengthsPerPage * sizeof(float), (place.MaxRows + LengthsPerPage - 1) / LengthsPerPage);
            _queryScratch = planes.Scratch(place.GroupHeads);
            _mean = new float[place.Dim];
            _meanScores = new float[place.GroupHeads];
            _inverseQueries = new float[place.GroupHeads];
            _queryCodes = new ushort[place.GroupHeads * policy.Tables];
        }

        public override long IndexBytes
        {
            get
            {
                var bytes = _inverseLengths.Bytes;
                foreach (var segment in _segments)
                    bytes += segment.Tables.Bytes;
                return bytes;
            }
        }

        // Words of a bitmap of the rows that are hashed: whole ones for each segment.
        private int Words => _segments.Count == 0 ? 0 : _segments[^1].FirstWord + (_segments[^1].Tables.Rows + 63) / 64;

        public override void EndPrompt(KvHead head)
        {
            _promptEnded = true;
            var (first, end) = (Zones.Sinks, head.RowCount - Zones.Recent);
            if (first >= end)
                return;
            Average(head, first, end);
            _hashedEnd = first;
            while (_hashedEnd < end)
                Hash(head, Math.Min(end, _hashedEnd + HashTables.MostRows));
        }

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            // Once there is a mean to be taken off; before the prompt ends, all of it is read anyway.
            while (_promptEnded && !_policy.IsFaithful && _segments.Count > 0 && firstRow + rowCount - Zones.Recent - _hashedEnd >= _policy.SegmentRows)
                Hash(head, _hashedEnd + _policy.SegmentRows);
        }

        public override void Truncate(int rows)
        {
            // Tables have no row taken out: those that go beyond are dropped, and their rows are read exactly until they are hashed again.
            while (_segments.Count > 0 && _hashedEnd > rows)
            {
                _hashedEnd = _segments[^1].First;
                _segments[^1].Tables.Dispose();
                _segments.RemoveAt(_segments.Count - 1);
            }

            _promptEnded &= _segments.Count > 0;
            _inverseLengths.Truncate((_hashedEnd + LengthsPerPage - 1) / LengthsPerPage);
        }

        protected override void ReweightChosen(in RowSet rows, Span<float> scores, int stride)
        {
            var at = 0;
            for (var i = 0; i < rows.Count; i++)
            {
                var row = rows[i];
                if (row < _found.First || row >= _found.End)
                    continue;
                // Rows ascend within a round, so that the segment is nearly always the last one's.
                if (row < _segments[at].First)
                    at = 0;
                while (row >= _segments[at].First + _segments[at].Tables.Rows)
                    at++;
                var place = row - _segments[at].First;
                var (word, bit) = (_segments[at].FirstWord + place / 64, 1UL << (place % 64));
                var inverse = InverseLength(row);
                for (var head = 0; head < _place.GroupHeads; head++)
                {
                    ref var score = ref scores[head * stride + i];
                    var isFound = (Twice(head)[word] & bit) != 0;
                    score = isFound ? score + _policy.Law.Weight((score - _meanScores[head]) * _inverseQueries[head] * inverse) : float.NegativeInfinity;
                }
            }
        }

        protected override void Dispose(bool disposing)
        {
            foreach (var segment in _segments)
                segment.Tables.Dispose();
            _segments.Clear();
            _inverseLengths.Dispose();
            _queryScratch.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxSum sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var first = _segments.Count == 0 ? middle.End : Math.Clamp(_segments[0].First, middle.First, middle.End);
            _found = (first, Math.Clamp(_hashedEnd, first, middle.End));
            selection.AddRange(middle.First, first - middle.First);
            selection.AddRange(_found.End, middle.End - _found.End);
            if (_found.First == _found.End)
                return true;
            Find(query);
            Select(selection);
            return true;
        }

        private void Find(in HeadQuery query)
        {
            _scratch = query.Scratch;
            _planes.Hash(query.Queries, _queryScratch, _queryCodes);
            for (var head = 0; head < _place.GroupHeads; head++)
            {
                var own = query.Queries.Slice(head * _place.Dim, _place.Dim);
                var (squares, meanScore) = (0f, 0f);
                for (var i = 0; i < own.Length; i++)
                    (squares, meanScore) = (squares + own[i] * own[i], meanScore + own[i] * _mean[i]);
                (_meanScores[head], _inverseQueries[head]) = (meanScore, squares > 0 ? 1 / MathF.Sqrt(squares) : 0);
                var once = Bits(_place.GroupHeads);
                var twice = Twice(head);
                once.Clear();
                twice.Clear();
                foreach (var segment in _segments)
                    segment.Tables.Mark(_queryCodes.AsSpan(head * _policy.Tables, _policy.Tables), once[segment.FirstWord..], twice[segment.FirstWord..]);
            }
        }

        // What any head of the group has found, in the order of rows.
        private void Select(KvSelection selection)
        {
            foreach (var segment in _segments)
            {
                var words = (segment.Tables.Rows + 63) / 64;
                for (var word = 0; word < words; word++)
                {
                    var found = 0UL;
                    for (var head = 0; head < _place.GroupHeads; head++)
                        found |= Twice(head)[segment.FirstWord + word];
                    for (; found != 0; found &= found - 1)
                    {
                        var row = segment.First + word * 64 + BitOperations.TrailingZeroCount(found);
                        if (row >= _found.First && row < _found.End)
                            selection.Add(row);
                    }
                }
            }
        }

        private void Average(KvHead head, int first, int end)
        {
            var sums = new double[_place.Dim];
            var key = new float[_place.Dim];
            var keys = head.Keys;
            for (var row = first; row < end; row++)
            {
                keys.Decode(row, key);
                for (var i = 0; i < key.Length; i++)
                    sums[i] += key[i];
            }

            for (var i = 0; i < sums.Length; i++)
                _mean[i] = (float)(sums[i] / (end - first));
        }

        /// <summary>A segment of the rows from the end of what is hashed to <paramref name="end"/>.</summary>
        private void Hash(KvHead head, int end)
        {
            var (first, rows, tables) = (_hashedEnd, end - _hashedEnd, _policy.Tables);
            _inverseLengths.Reserve((end + LengthsPerPage - 1) / LengthsPerPage);
            using var scratch = _planes.Scratch(HashedAtOnce);
            using var all = NativeBuffer.Uninitialized((long)tables * rows * sizeof(ushort));
            var byTable = all.Span<ushort>(tables * rows);
            var keys = new float[HashedAtOnce * _place.Dim];
            var codes = new ushort[HashedAtOnce * tables];
            var source = head.Keys;
            for (var at = 0; at < rows; at += HashedAtOnce)
            {
                var count = Math.Min(HashedAtOnce, rows - at);
                for (var i = 0; i < count; i++)
                {
                    var key = keys.AsSpan(i * _place.Dim, _place.Dim);
                    source.Decode(first + at + i, key);
                    var squares = 0f;
                    for (var d = 0; d < key.Length; d++)
                    {
                        key[d] -= _mean[d];
                        squares += key[d] * key[d];
                    }

                    InverseLength(first + at + i) = squares > 0 ? 1 / MathF.Sqrt(squares) : 0;
                }

                _planes.Hash(keys.AsSpan(0, count * _place.Dim), scratch, codes);
                for (var table = 0; table < tables; table++)
                {
                    var own = byTable.Slice(table * rows + at, count);
                    for (var i = 0; i < count; i++)
                        own[i] = codes[i * tables + table];
                }
            }

            _segments.Add(new Segment(first, Words, new HashTables(byTable, tables, _policy.Bits, rows)));
            _hashedEnd = end;
        }

        private ref float InverseLength(int row) => ref _inverseLengths.Page<float>(row / LengthsPerPage)[row % LengthsPerPage];

        // Rows that share two buckets with a head's query; behind those of all heads the bits of rows that share one with the head in work.
        private Span<ulong> Twice(int head) => Bits(head);

        private Span<ulong> Bits(int index) => _scratch!.Elements<ulong>(2 * index * Words, Words);
    }

    private sealed record Segment(int First, int FirstWord, HashTables Tables);
}
