using System.Collections.Concurrent;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
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
        private readonly MagicPig _policy;
        private readonly SignPlanes _planes;
        private readonly HeadPlace _place;
        private readonly List<Segment> _segments = [];
        private readonly NativeBuffer _queryScratch;
        private readonly float[] _mean;
        private readonly float[] _meanScores;
        private readonly float[] _inverseQueries;
        private readonly ushort[] _queryCodes;
        private SelectorScratch? _scratch;
        private (int First, int End) _found;
        private int _reweighted;
        private bool _promptEnded;
        private int _hashedEnd;

        public Sampled(MagicPig policy, SignPlanes planes, HeadPlace place)
            : base(policy.Zones)
        {
            (_policy, _planes, _place) = (policy, planes, place);
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
                var bytes = 0L;
                foreach (var segment in _segments)
                    bytes += segment.Bytes;
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
                _segments[^1].Dispose();
                _segments.RemoveAt(_segments.Count - 1);
            }

            _promptEnded &= _segments.Count > 0;
        }

        protected override void ReweightChosen(in RowSet rows, Span<float> scores, int stride)
        {
            // Found rows are listed, in this order; zones and what is not hashed yet are ranges.
            if (rows.IsRange)
                return;
            for (var head = 0; head < _place.GroupHeads; head++)
            {
                var cosine = new CosineOf(_meanScores[head], _inverseQueries[head]);
                CosineWeights.Add(scores.Slice(head * stride, rows.Count), FoundLengths.Slice(_reweighted, rows.Count), FoundBits(head), _reweighted, cosine, _policy.Law.Weights);
            }

            _reweighted += rows.Count;
        }

        protected override void Dispose(bool disposing)
        {
            foreach (var segment in _segments)
                segment.Dispose();
            _segments.Clear();
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
            foreach (var segment in _segments)
            {
                for (var head = 0; head < _place.GroupHeads; head++)
                    segment.Tables.Ask(Codes(head));
            }

            for (var head = 0; head < _place.GroupHeads; head++)
            {
                var own = query.Queries.Slice(head * _place.Dim, _place.Dim);
                var length = MathF.Sqrt(VectorMath.Dot(own, own));
                (_meanScores[head], _inverseQueries[head]) = (VectorMath.Dot(own, _mean), length > 0 ? 1 / length : 0);
                foreach (var segment in _segments)
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
            _reweighted = 0;
            var (listed, words) = (selection.Rows.Length, Words);
            Bitmaps(_place.GroupHeads + 1, _place.GroupHeads).Clear();
            foreach (var segment in _segments)
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

        private static void Gather(Segment segment, ReadOnlySpan<int> rows, Span<float> lengths)
        {
            var all = segment.InverseLengths.Span<float>(segment.Tables.Rows);
            for (var i = 0; i < rows.Length; i++)
                lengths[i] = all[rows[i] - segment.First];
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
            var lengths = NativeBuffer.Uninitialized((long)rows * sizeof(float));
            var inverseLengths = lengths.Span<float>(rows);
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

                    inverseLengths[at + i] = squares > 0 ? 1 / MathF.Sqrt(squares) : 0;
                }

                _planes.Hash(keys.AsSpan(0, count * _place.Dim), scratch, codes);
                for (var table = 0; table < tables; table++)
                {
                    var own = byTable.Slice(table * rows + at, count);
                    for (var i = 0; i < count; i++)
                        own[i] = codes[i * tables + table];
                }
            }

            _segments.Add(new Segment(first, Words, new HashTables(byTable, tables, _policy.Bits, rows), lengths));
            _hashedEnd = end;
        }

        private ReadOnlySpan<ushort> Codes(int head) => _queryCodes.AsSpan(head * _policy.Tables, _policy.Tables);

        // Bitmaps: of each head the rows that share two buckets with its query; those of any head; of each head whether it has found the rows on the list. Behind
        // them the lengths of the rows on the list, in the place of which rows are counted before.
        private Span<ulong> Bitmaps(int first, int count) => _scratch!.Elements<ulong>(2 * first * Words, count * Words);

        private Span<ulong> Any => Bitmaps(_place.GroupHeads, 1);

        private Span<ulong> FoundBits(int head) => Bitmaps(_place.GroupHeads + 1 + head, 1);

        private Span<float> FoundLengths => _scratch!.Elements<float>(2 * (2 * _place.GroupHeads + 1) * Words, _found.End - _found.First);

        private Span<byte> Counts(int rows) => _scratch!.Elements<byte>(2 * (2 * _place.GroupHeads + 1) * Words, rows);
    }

    /// <param name="FirstWord">Of its rows in a bitmap.</param>
    /// <param name="InverseLengths">A float for each row: 1 / length of the key without the mean.</param>
    private sealed record Segment(int First, int FirstWord, HashTables Tables, NativeBuffer InverseLengths) : IDisposable
    {
        public long Bytes => Tables.Bytes + InverseLengths.Bytes;

        public void Dispose()
        {
            Tables.Dispose();
            InverseLengths.Dispose();
        }
    }
}
