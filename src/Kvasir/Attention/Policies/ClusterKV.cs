using Kvasir.Attention.Indexes;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Whole clusters of keys (ClusterKV): keys behind the sinks are clustered by their directions when the prompt is over, and a query reads the clusters whose
/// centroids score best, until they have as many rows as it may read; of the last one it reads the first. Rows that were generated since are read whatever
/// they say, until a window of them is full and clustered by itself. The paper clusters a prompt at once, which takes a time that grows with its square; here
/// it is clustered a segment at a time. Query heads of a group share their clusters: those with the best score for any of them.
/// </summary>
public sealed class ClusterKV : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "clusterkv", "clusters of keys whose centroids score best, read whole",
        "ClusterKV: Liu et al. 2024, arXiv 2412.03213", "clusterkv:share=1,recent=8,min-context=0",
        static spec => new ClusterKV(spec),
        ExactZones.Options(
            sinks: 16, recent: 64, denseLayers: "0+1",
            PolicyOption.Real("share", 0.05, 0, 1, "of the tokens between the exact zones"),
            PolicyOption.Whole("cluster", 80, 8, 1024, "tokens of a cluster in the mean; half of that for generated ones"),
            PolicyOption.Whole("segment", 4096, 256, 1 << 20, "tokens of a prompt that are clustered together, in whole 32s"),
            PolicyOption.Whole("window", 320, 16, 65536, "generated tokens that are clustered together"),
            PolicyOption.Whole("passes", 10, 1, 100, "the most over a segment's keys; it ends when no key changes its cluster")))
    {
        Budgets = PolicyBudget.Of("share", 0.01, 0.02, 0.05, 0.1, 0.2),
    };

    // Products of keys and centroids in the time of a row that is hashed into 150 tables.
    private const double ProductsPerHash = 512;

    private readonly int _passes;

    internal ClusterKV(PolicySpec spec)
        : base(spec)
    {
        (Share, ClusterRows, WindowRows, _passes) = (spec.Real("share"), spec.Whole("cluster"), spec.Whole("window"), spec.Whole("passes"));
        SegmentRows = (spec.Whole("segment") + PagePool.PageTokens - 1) / PagePool.PageTokens * PagePool.PageTokens;
    }

    internal float Share { get; }

    internal int ClusterRows { get; }

    internal int SegmentRows { get; }

    internal int WindowRows { get; }

    private int WindowClusters => Math.Max(1, 2 * WindowRows / ClusterRows);

    public override double IndexBytesPerToken(int dim) => sizeof(int) + ((RowCodec.BF16.RowBytes(dim) + (double)sizeof(int)) / ClusterRows);

    public override double AppendRowCost(int dim) => 0;

    public override double BuildRowCost(int dim) => _passes * Math.Max(1, (double)SegmentRows / ClusterRows) / ProductsPerHash;

    public override string PartName => PartsOf($"clusters of {ClusterRows} in {SegmentRows} behind {Zones.Sinks} after {_passes}");

    public override int PartEnd(int firstRow) => firstRow % SegmentRows == 0 ? firstRow + SegmentRows : firstRow;

    // Of rows that were all generated, which have the most clusters.
    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows)
    {
        var (clusters, dim) = ((2L * rows / ClusterRows) + Segments(rows), place.Dim);
        var open = Math.Max(
            KeyMeans.BytesFor(dim, Math.Min(rows, SegmentRows), Clusters(Math.Min(rows, SegmentRows))),
            KeyMeans.BytesFor(dim, WindowRows, WindowClusters));
        return KeyClusters.BytesFor(dim, rows, 0) + (clusters * KeyClusters.BytesFor(dim, 0, 1)) + open;
    }

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => KeyClusters.PartBytes(place.Dim, rowCount, Clusters(rowCount));

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Nearest(this, place);

    private int Clusters(int rows) => Math.Max(1, rows / ClusterRows);

    private int Segments(int rows) => (rows / SegmentRows) + (rows / WindowRows) + 3;

    private sealed class Nearest(ClusterKV policy, HeadPlace place) : ZonedSelector(policy.Zones)
    {
        private const int FewestSorted = 8;
        private const int MoreSorted = 4;
        private const int WordRows = 64;
        private readonly KeyClusters _clusters = new(place.Dim, policy.Segments(place.MaxRows));
        private readonly KeyMeans _means = new(place.Dim, policy._passes);
        private int _rows;
        private int _promptRows;
        private int _openEnd;

        public override long IndexBytes => _clusters.Bytes + _means.Bytes;

        // A row is looked at in every pass.
        public override int RowsWaiting => (int)((_means.Left + policy._passes - 1) / policy._passes) + Math.Max(0, _promptRows - Begun);

        public override int RowsForParts =>
            _promptRows == 0 ? _clusters.EndRow : Math.Min(_clusters.EndRow, _promptRows / policy.SegmentRows * policy.SegmentRows);

        // Where the next rows begin that are to be clustered.
        private int First => Math.Max(_clusters.EndRow, Zones.Sinks);

        private int Begun => _means.Rows > 0 ? _openEnd : _clusters.EndRow;

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            _rows = firstRow + rowCount;
            ClusterWindows(head);
        }

        public override void EndPrompt(KvHead head) => _promptRows = _rows = head.RowCount;

        public override void Build(KvHead head, int rows, IndexScratch scratch)
        {
            for (var left = (long)rows * policy._passes; left > 0 && TryOpen(head);)
            {
                left -= _means.Advance(head, left);
                if (_means.Left == 0)
                    Close();
            }

            ClusterWindows(head);
        }

        public override void WritePart(int firstRow, int rowCount, NativeView part) => _clusters.Write(firstRow / policy.SegmentRows, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part)
        {
            Invariant.Holds(firstRow == _clusters.EndRow && _means.Rows == 0);
            _clusters.Read(firstRow + rowCount, part);
            _rows = Math.Max(_rows, firstRow + rowCount);
        }

        public override void Truncate(int rows)
        {
            _means.End();
            _promptRows = rows < _promptRows ? 0 : _promptRows;
            _rows = Math.Min(_rows, rows);
            while (_clusters.EndRow > rows)
                _clusters.Drop();
        }

        public override void Edited(KvHead head, RowEdit edit)
        {
            Invariant.Holds(RowsWaiting == 0);
            (_promptRows, _rows) = (edit.KeptBefore(_promptRows), head.RowCount);
            _clusters.Edited(edit);
        }

        protected override void Dispose(bool disposing)
        {
            _clusters.Dispose();
            _means.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var tail = Math.Clamp(_clusters.EndRow, middle.First, middle.End);
            selection.AddRange(tail, middle.End - tail);
            if (_clusters.Count == 0 || tail == middle.First)
            {
                selection.AddRange(middle.First, tail - middle.First);
                return true;
            }

            var firstWord = middle.First / WordRows;
            var bits = new RowBits(Bits(query.Scratch, (tail + WordRows - 1) / WordRows - firstWord), firstWord * WordRows);
            Choose(query, (middle.First, tail), Math.Max(1, (int)MathF.Ceiling(policy.Share * (middle.End - middle.First))), bits);
            for (var word = 0; word < bits.Words.Length; word++)
                selection.AddBits((firstWord + word) * WordRows, bits.Words[word]);
            return true;
        }

        private Span<ulong> Bits(SelectorScratch scratch, int words) => scratch.Elements<ulong>(2 * ((place.GroupHeads + 3) * _clusters.Count / 2), words);

        // Clusters best first, of equal ones the first, until there are as many rows in sight as are wanted.
        private void Choose(in HeadQuery query, (int First, int End) middle, int wanted, RowBits bits)
        {
            var count = _clusters.Count;
            var scores = query.Scratch.Floats(place.GroupHeads * count);
            _clusters.Score(query.Queries, scores);
            var best = scores[..count];
            for (var head = 1; head < place.GroupHeads; head++)
                VectorMath.Raise(scores.Slice(head * count, count), best);
            var order = query.Scratch.Elements<ulong>(2 * ((place.GroupHeads * count + 1) / 2), count);
            for (var sorted = FewestSorted + (2 * wanted / policy.ClusterRows); ; sorted *= MoreSorted)
            {
                var ranked = Rank(best, Math.Min(sorted, count), order);
                if (Take(order[..ranked], middle, wanted, bits) || ranked == count)
                    return;
            }
        }

        private static int Rank(ReadOnlySpan<float> scores, int wanted, Span<ulong> order)
        {
            var (least, count) = (LargestNumbers.Rank(LargestNumbers.Largest(scores, wanted)), 0);
            for (var i = 0; i < scores.Length; i++)
            {
                if (LargestNumbers.Rank(scores[i]) is var rank && rank >= least)
                    order[count++] = ((ulong)~rank << 32) | (uint)i;
            }

            order[..count].Sort();
            return count;
        }

        private bool Take(ReadOnlySpan<ulong> order, (int First, int End) middle, int wanted, RowBits bits)
        {
            bits.Words.Clear();
            foreach (var cluster in order)
            {
                foreach (var row in _clusters.RowsOf((int)(uint)cluster))
                {
                    if (row < middle.First || row >= middle.End)
                        continue;
                    bits.Add(row);
                    if (--wanted == 0)
                        return true;
                }
            }

            return false;
        }

        // The next rows of a prompt; false when there are none.
        private bool TryOpen(KvHead head)
        {
            while (_means.Rows == 0 && _clusters.EndRow < _promptRows)
            {
                var end = Math.Min((_clusters.EndRow / policy.SegmentRows + 1) * policy.SegmentRows, _promptRows);
                Open(head, end, policy.Clusters(end - Math.Min(end, First)));
            }

            return _means.Rows > 0;
        }

        // Behind the prompt at once: a window is small, and steps that are taken back and done again find the same.
        private void ClusterWindows(KvHead head)
        {
            while (_promptRows > 0 && _means.Rows == 0 && _clusters.EndRow >= _promptRows && _rows - First >= policy.WindowRows)
            {
                Open(head, First + policy.WindowRows, policy.WindowClusters);
                _means.Advance(head, long.MaxValue);
                Close();
            }
        }

        private void Open(KvHead head, int end, int clusters)
        {
            if (First >= end)
                _clusters.AddEmpty(end);
            else
                _means.Begin(head, First, _openEnd = end, Math.Min(clusters, end - First));
        }

        private void Close()
        {
            _clusters.Add(_means, First, _openEnd);
            _means.End();
        }
    }
}
