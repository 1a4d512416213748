using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Support;

/// <summary>Another policy, whose indexes' rows are counted as they are built.</summary>
internal sealed class CountedPolicy(AttentionPolicy policy) : AttentionPolicy(policy.Spec)
{
    private long _rowsBuilt;
    private long _rowsAppended;

    /// <summary>Of all heads together.</summary>
    public long RowsBuilt => Interlocked.Read(ref _rowsBuilt);

    /// <summary>Rows that selectors were told of and did not find indexed, of all heads together.</summary>
    public long RowsAppended => Interlocked.Read(ref _rowsAppended);

    /// <summary>With so many rows built, building throws.</summary>
    public long FaultAt { get; init; } = long.MaxValue;

    public override int ObservedPromptRows => policy.ObservedPromptRows;

    public override bool ObservesDecode => policy.ObservesDecode;

    public override bool DecidesByLayer => policy.DecidesByLayer;

    public override bool ReadsEveryRow(int layer, (int First, int End) visible) => policy.ReadsEveryRow(layer, visible);

    public override double IndexBytesPerToken(int dim) => policy.IndexBytesPerToken(dim);

    public override double AppendRowCost(int dim) => policy.AppendRowCost(dim);

    public override double BuildRowCost(int dim) => policy.BuildRowCost(dim);

    public override double PartRowCost(int dim) => policy.PartRowCost(dim);

    public override string PartName => policy.PartName;

    public override int PartEnd(int firstRow) => policy.PartEnd(firstRow);

    public override long PartBytes(HeadPlace place, int rowCount) => policy.PartBytes(place, rowCount);

    public override IDisposable? CreatePrefix(HeadPlace place) => policy.CreatePrefix(place);

    public override long PrefixBytesAt(HeadPlace place) => policy.PrefixBytesAt(place);

    public override long IndexBytesAt(HeadPlace place, int promptRows, int rows) => policy.IndexBytesAt(place, promptRows, rows);

    public override long SharedIndexBytes(AttentionShape shape) => policy.SharedIndexBytes(shape);

    public override IDisposable? ShareIndex(AttentionShape shape) => policy.ShareIndex(shape);

    public override Selector CreateSelector(HeadPlace place) => new Counted(this, policy.CreateSelector(place));

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        policy.CreateLayer(first, selectors);
        foreach (ref var selector in selectors)
            selector = new Counted(this, selector);
    }

    private sealed class Counted(CountedPolicy owner, Selector selector) : Selector
    {
        public override long IndexBytes => selector.IndexBytes;

        public override int RowsWaiting => selector.RowsWaiting;

        public override void Append(KvHead head, int firstRow, int rowCount)
        {
            Interlocked.Add(ref owner._rowsAppended, rowCount);
            selector.Append(head, firstRow, rowCount);
        }

        public override int RowsForParts => selector.RowsForParts;

        public override void WritePart(int firstRow, int rowCount, NativeView part) => selector.WritePart(firstRow, rowCount, part);

        public override void ReadPart(KvHead head, int firstRow, int rowCount, NativeView part) => selector.ReadPart(head, firstRow, rowCount, part);

        public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

        public override void Build(KvHead head, int rows, IndexScratch scratch)
        {
            Assert.InRange(rows, 1, selector.RowsWaiting);
            selector.Build(head, rows, scratch);
            if (Interlocked.Add(ref owner._rowsBuilt, rows) >= owner.FaultAt)
                throw new InvalidTimeZoneException("at Build");
        }

        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection) => selector.Select(query, round, sum, selection);

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
            selector.Weighed(rows, listed, weights, stride, max);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) =>
            selector.Observe(position, rows, weights, stride);

        public override void Truncate(int rows) => selector.Truncate(rows);

        protected override void Dispose(bool disposing)
        {
            selector.Dispose();
            base.Dispose(disposing);
        }
    }
}
