using Kvasir.Attention.Indexes;
using Kvasir.Attention.Zones;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Policies;

/// <summary>
/// The keys with the highest scores in a few dimensions (Loki): those in which keys vary most, which a calibration has found. The paper turns the cache itself
/// into these dimensions and reads its first ones; the cache holds keys as they are here, and an index beside it their first coordinates, which is what that
/// costs.
/// </summary>
public sealed class Loki : SparsePolicy
{
    internal static readonly PolicyEntry Entry = new(
        "loki", "keys by their scores in the few dimensions where keys vary most",
        "Loki: Singhania et al. 2024, arXiv 2406.02542", "loki:share=1,recent=8,min-context=0",
        static spec => new Loki(spec),
        ExactZones.Options(
            sinks: 4, recent: 64, denseLayers: "none",
            PolicyOption.Text("file", "a file of the model's key axes"),
            PolicyOption.Whole("rank", 32, 1, PagedRows.MaxDim, "dimensions in which keys are compared, or all that there are"),
            PolicyOption.Real("share", 0.125, 0, 1, "of the tokens between the exact zones, for each query head")))
    {
        Needs = "calibration: file=PATH, written by kvasir calibrate",
        Budgets = PolicyBudget.Of("share", 0.01, 0.02, 0.05, 0.125, 0.25),
    };

    private readonly string _file;
    private readonly int _rank;
    private readonly float _share;
    private readonly Lazy<KeyAxes> _axes;

    internal Loki(PolicySpec spec)
        : base(spec)
    {
        (_file, _rank, _share) = (spec.Word("file"), spec.Whole("rank"), spec.Real("share"));
        // What is only listed reads no file.
        _axes = new Lazy<KeyAxes>(() => _file.Length > 0 ? KeyAxes.Load(_file) : throw new KvasirException(
            KvasirError.BadOption, "attention policy 'loki' needs file=PATH, which kvasir calibrate writes"));
    }

    public override double IndexBytesPerToken(int dim) => RowCodec.BF16.RowBytes(Math.Min(_rank, dim));

    protected override long SparseIndexBytes(HeadPlace place, int promptRows, int rows) =>
        (long)NativePages.PagesFor(rows, Best.PageRows) * Best.PageRows * RowCodec.BF16.RowBytes(Math.Min(_rank, place.Dim));

    public override string PartName => PartsOf($"{_axes.Value.Identity}, {_rank}");

    public override int PartEnd(int firstRow) => firstRow + PagePool.PageTokens;

    protected override long SparsePartBytes(HeadPlace place, int rowCount) => (long)rowCount * RowCodec.BF16.RowBytes(Math.Min(_rank, place.Dim));

    protected override void RequireShape(AttentionShape shape)
    {
        var axes = _axes.Value;
        if ((axes.LayerCount, axes.KvHeadCount, axes.Dim) != (shape.LayerCount, shape.KvHeadCount, shape.Dim))
        {
            throw new KvasirException(
                KvasirError.BadOption,
                $"{_file} is of a model with {axes.LayerCount} layers of {axes.KvHeadCount} KV heads of {axes.Dim}; "
                    + $"this one has {shape.LayerCount} of {shape.KvHeadCount} of {shape.Dim}");
        }
    }

    protected override ZonedSelector CreateSparse(HeadPlace place)
    {
        var rank = Math.Min(_rank, place.Dim);
        return new Best(Zones, place, _share, _axes.Value.Head(place.Layer, place.KvHead)[..(rank * place.Dim)].ToArray());
    }

    private sealed class Best(ExactZones zones, HeadPlace place, float share, float[] axes) : ExactScoresSelector(zones, place)
    {
        public const int PageRows = 64;
        private readonly HeadPlace _place = place;
        private readonly int _rank = axes.Length / place.Dim;
        private readonly int _rowBytes = RowCodec.BF16.RowBytes(axes.Length / place.Dim);
        private readonly NativePages _pages = new(RowCodec.BF16.RowBytes(axes.Length / place.Dim) * PageRows, (place.MaxRows + PageRows - 1) / PageRows);
        private readonly float[] _key = new float[place.Dim];
        private readonly float[] _coordinates = new float[place.GroupHeads * axes.Length / place.Dim];

        public override long IndexBytes => _pages.Bytes;

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            _pages.Reserve((firstRow + rowCount + PageRows - 1) / PageRows);
            var keys = head.Keys;
            for (var row = firstRow; row < firstRow + rowCount; row++)
            {
                keys.Decode(row, _key);
                var own = _coordinates.AsSpan(0, _rank);
                Project(_key, own);
                RowCodec.BF16.Encode(own, Coordinates(row));
            }
        }

        public override void WritePart(int firstRow, int rowCount, NativeView part)
        {
            for (var i = 0; i < rowCount; i++)
                Coordinates(firstRow + i).CopyTo(part.Span((long)i * _rowBytes, _rowBytes));
        }

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part)
        {
            _pages.Reserve((firstRow + rowCount + PageRows - 1) / PageRows);
            for (var i = 0; i < rowCount; i++)
                part.Span((long)i * _rowBytes, _rowBytes).CopyTo(Coordinates(firstRow + i));
        }

        public override void Truncate(int rows) => _pages.Truncate((rows + PageRows - 1) / PageRows);

        public override void Edited(KvHead head, RowEdit edit)
        {
            var to = edit.Kept(0).Count;
            for (var i = 1; i < edit.KeptRangeCount; i++)
            {
                var (first, count) = edit.Kept(i);
                for (var row = first; row < first + count; row++)
                    Coordinates(row).CopyTo(Coordinates(to++));
            }

            Truncate(to);
        }

        protected override void Dispose(bool disposing)
        {
            _pages.Dispose();
            base.Dispose(disposing);
        }

        protected override void Score(in HeadQuery query, RowSet rows, Span<float> scores)
        {
            for (var head = 0; head < _place.GroupHeads; head++)
                Project(query.Queries.Slice(head * _place.Dim, _place.Dim), _coordinates.AsSpan(head * _rank, _rank));
            AttentionScores.Rows(_coordinates, PagedRows.Alone(_pages.Addresses, PageRows, RowCodec.BF16, _rank), rows, 1, scores, rows.Count);
        }

        protected override float Threshold(Span<float> scores) => LargestNumbers.Largest(scores, (int)MathF.Ceiling(share * scores.Length));

        private Span<byte> Coordinates(int row) => _pages.Page<byte>(row / PageRows).Slice(row % PageRows * _rowBytes, _rowBytes);

        private void Project(ReadOnlySpan<float> vector, Span<float> coordinates)
        {
            for (var i = 0; i < coordinates.Length; i++)
                coordinates[i] = VectorMath.Dot(vector, axes.AsSpan(i * _place.Dim, _place.Dim));
        }
    }
}
