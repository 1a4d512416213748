using Kvasir.Attention.Indexes;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Attention.Policies;

/// <summary>
/// Pages whose best possible score is highest (Quest, section 3.3): of each page the range of every key element is kept, which bounds the score of any of its
/// keys from above. Query heads of a group share their pages: those with the highest bound for any of them.
/// </summary>
public sealed class Quest(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "quest", "pages by an upper bound of their keys' scores", "Quest: Tang et al. 2024, arXiv 2406.10774",
        "quest:share=1,recent=8,dense-layers=none,min-context=0",
        static spec => new Quest(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "0+1",
            PolicyOption.Real("share", 0.05, 0, 1, "of the pages between the exact zones"),
            PolicyOption.Whole("page", 16, 2, 256, "tokens of a page")))
    {
        Budgets = PolicyBudget.Of("share", 0.01, 0.02, 0.05, 0.1, 0.2),
    };

    private const int FewestPages = 3;
    private readonly float _share = spec.Real("share");
    private readonly int _pageRows = spec.Whole("page");

    public override int RowUnit => _pageRows;

    public override bool SuitsFiles => true;

    public override double IndexBytesPerToken(int dim) => BlockIndex.BytesPerToken(dim, _pageRows);

    public override string PartName => PartsOf($"{BlockSummary.CuboidMax} of {_pageRows}");

    public override int PartEnd(int firstRow) => BlockIndex.PartEnd(firstRow, _pageRows);

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => BlockIndex.BytesFor(place.Dim, _pageRows, rows);

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => BlockIndex.PartBytes(place.Dim, _pageRows, rowCount);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Pages(Zones, place, _share, _pageRows);

    private sealed class Pages(ExactZones zones, HeadPlace place, float share, int pageRows) : ZonedSelector(zones)
    {
        private readonly BlockIndex _index = new(BlockSummary.CuboidMax, pageRows, place);
        private readonly float[] _parts = new float[2 * place.GroupHeads * place.Dim];

        public override long IndexBytes => _index.Bytes;

        public override int RowsBefore => pageRows - 1;

        public override void Append(KvHead head, int firstRow, int rowCount) => _index.Append(head, firstRow + rowCount);

        public override void WritePart(int firstRow, int rowCount, NativeView part) => _index.Write(firstRow, rowCount, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part) => _index.Read(firstRow, rowCount, part);

        public override void Truncate(int rows) => _index.Truncate(rows);

        public override void Edited(KvHead head, RowEdit edit) => _index.Edited(head, edit);

        protected override void Dispose(bool disposing)
        {
            _index.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            Choose(query, middle, selection);
            return true;
        }

        // What is chosen depends on the query alone.
        protected override bool ForeseeMiddle(in HeadQuery query, (int First, int End) middle, KvSelection selection)
        {
            Choose(query, middle, selection);
            return true;
        }

        private void Choose(in HeadQuery query, (int First, int End) middle, KvSelection selection)
        {
            // Rows that share a page with a zone are read too.
            var (first, end) = ((middle.First + pageRows - 1) / pageRows, middle.End / pageRows);
            if (first >= end)
            {
                selection.AddRange(middle.First, middle.End - middle.First);
                return;
            }

            selection.AddRange(middle.First, first * pageRows - middle.First);
            selection.AddRange(end * pageRows, middle.End - end * pageRows);
            var count = end - first;
            var scores = query.Scratch.Floats(place.GroupHeads * count);
            _index.Score(query.Queries, first, count, _parts, scores);
            var best = scores[..count];
            for (var head = 1; head < place.GroupHeads; head++)
                VectorMath.Raise(scores.Slice(head * count, count), best);
            var wanted = Math.Min(count, Math.Max(FewestPages, (int)MathF.Ceiling(share * count)));
            var threshold = LargestNumbers.Largest(best, wanted);
            for (var page = 0; page < count && wanted > 0; page++)
            {
                if (!(best[page] >= threshold))
                    continue;
                selection.AddBlock((first + page) * pageRows, pageRows);
                wanted--;
            }
        }
    }
}
