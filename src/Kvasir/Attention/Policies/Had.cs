using Kvasir.Attention.Indexes;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Sampling;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Policies;

/// <summary>
/// The keys whose signs agree with the query's in most elements (HAD): of keys and queries a bit an element is left, scores are Hamming distances, and the
/// best N keys of each query head are attended. The paper distils a model until such scores are its attention; here they only choose, and what they choose is
/// attended exactly: training-free over any weights, and better over those that were distilled (assets/needle-had). N grows with the context, as in the paper.
/// </summary>
public sealed class Had(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "had", "keys whose signs agree most with the query's; training-free, where the paper distils",
        "HAD: Horton et al. 2025, arXiv 2502.01770", "had:share=1,recent=8,min-context=0",
        static spec => new Had(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Real("share", 0.05, 0, 1, "of the tokens between the exact zones, for each query head")))
    {
        Budgets = PolicyBudget.Of("share", 0.01, 0.02, 0.05, 0.1, 0.2),
    };

    private readonly float _share = spec.Real("share");

    public override double IndexBytesPerToken(int dim) => SignScan.RowBytes(dim);

    public override string PartName => PartsOf("signs");

    public override int PartEnd(int firstRow) => firstRow + PagePool.PageTokens;

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) => KeySigns.BytesFor(place.Dim, rows);

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => (long)rowCount * SignScan.RowBytes(place.Dim);

    protected override void RequireShape(AttentionShape shape)
    {
        if (shape.Dim > SignScan.MostElements)
            throw new KvasirException(
                KvasirError.BadOption,
                $"attention policy '{Name}' counts signs of heads of at most {SignScan.MostElements} elements; this model's have {shape.Dim}");
    }

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Nearest(Zones, place, _share);

    private sealed class Nearest(ExactZones zones, HeadPlace place, float share) : ZonedSelector(zones)
    {
        // With fewer rows between the zones all are read: the worker's scratch has room for so many.
        private const int FewestRows = SignScan.GroupRows;
        private const int WordRows = SignScan.GroupRows;
        private const int FloatsPerWord = sizeof(ulong) / sizeof(float);
        private readonly KeySigns _signs = new(place);
        private SelectorScratch? _scratch;
        private (int First, int End) _middle;

        public override long IndexBytes => _signs.Bytes;

        private int FirstGroup => _middle.First / SignScan.GroupRows;

        private int Words => (_middle.End + WordRows - 1) / WordRows - FirstGroup;

        // Scratch holds a score of every row in a byte for each head, a bitmap for each head, and two that are used for a while.
        private Span<ulong> Marks => _scratch!.Elements<ulong>(place.GroupHeads * Words * WordRows / sizeof(float), place.GroupHeads * Words);

        public override void Append(KvHead head, int firstRow, int rowCount) => _signs.Append(head, firstRow + rowCount);

        public override void WritePart(int firstRow, int rowCount, NativeView part) => _signs.Write(firstRow, rowCount, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part) => _signs.Read(firstRow, rowCount, part);

        public override void Truncate(int rows) => _signs.Truncate(rows);

        public override void Edited(KvHead head, RowEdit edit) => _signs.Edited(edit);

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            // What only others of the group chose.
            if (place.GroupHeads == 1 || _middle.First == _middle.End)
                return;
            var marks = Marks;
            var (words, first) = (Words, FirstGroup * WordRows);
            for (var i = 0; i < rows.Count; i++)
            {
                var row = rows[i];
                if (row < _middle.First || row >= _middle.End)
                    continue;
                for (var head = 0; head < place.GroupHeads; head++)
                {
                    if ((marks[head * words + (row - first) / WordRows] >> ((row - first) % WordRows) & 1) == 0)
                        scores[head * stride + i] = float.NegativeInfinity;
                }
            }
        }

        protected override void Dispose(bool disposing)
        {
            _signs.Dispose();
            base.Dispose(disposing);
        }

        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var count = middle.End - middle.First;
            (_scratch, _middle) = (query.Scratch, count < FewestRows ? (middle.First, middle.First) : middle);
            if (count < FewestRows)
            {
                selection.AddRange(middle.First, count);
                return true;
            }

            var (words, first) = (Words, FirstGroup * WordRows);
            var stride = words * WordRows;
            var scores = _scratch.Elements<byte>(0, place.GroupHeads * stride);
            _signs.Score(query.Queries, FirstGroup, words, scores, stride);
            var others = _scratch.Elements<ulong>(place.GroupHeads * (stride / sizeof(float) + words * FloatsPerWord), 2 * words);
            var any = others[..words];
            var better = others[words..];
            for (var head = 0; head < place.GroupHeads; head++)
                Choose(scores.Slice(head * stride, middle.End - first), (int)MathF.Ceiling(share * count), Marks.Slice(head * words, words), better);
            FoundRows.Unite(Marks, words, middle.First - first, middle.End - first, any);
            for (var word = 0; word < words; word++)
                selection.AddBits(first + word * WordRows, any[word]);
            return true;
        }

        // Exactly as many as are wanted: of rows that are as good as the last one, the newest.
        private void Choose(ReadOnlySpan<byte> scores, int wanted, Span<ulong> marks, Span<ulong> better)
        {
            var before = _middle.First % WordRows;
            var inside = scores[before..];
            wanted = Math.Clamp(wanted, 1, inside.Length);
            var (least, found) = ((byte)0, inside.Length);
            for (var bit = 1 << 7; bit > 0; bit >>= 1)
            {
                var count = SignScan.CountFrom(inside, (byte)(least | bit));
                if (count >= wanted)
                    (least, found) = ((byte)(least | bit), count);
            }

            FoundRows.Mark(scores, least, marks);
            marks[0] &= ulong.MaxValue << before;
            if (least < SignScan.MostScore)
                FoundRows.Mark(scores, (byte)(least + 1), better);
            else
                better.Clear();
            DropOldest(marks, better, found - wanted);
        }

        private static void DropOldest(Span<ulong> marks, ReadOnlySpan<ulong> better, int count)
        {
            for (var word = 0; count > 0; word++)
            {
                for (var tied = marks[word] & ~better[word]; tied != 0 && count > 0; tied &= tied - 1, count--)
                    marks[word] &= ~(tied & (~tied + 1));
            }
        }
    }
}
