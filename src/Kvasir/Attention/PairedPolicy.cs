using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Models.Configs;

namespace Kvasir.Attention;

/// <summary>
/// Two policies: one drops rows by their places, the other selects among those that are left. What the first would drop is out of sight for the second from the
/// very step on, as if a window slid; when its memory goes is the engine's affair, and changes no token. So a sequence that keeps its rows, since it is audited
/// or may be taken back, reads the same.
/// </summary>
internal sealed class PairedPolicy : AttentionPolicy
{
    private readonly AttentionPolicy _select;
    private readonly AttentionPolicy _drop;

    // Rows go so many at a time: whole pages, so that no other row moves, and whole units of the index, so that none is torn.
    private readonly int _unit;

    /// <exception cref="KvasirException">The parts do not go together.</exception>
    public PairedPolicy(PolicySpec spec)
        : base(spec)
    {
        (_select, _drop) = (spec.WithDrop(null).Create(), spec.Drop!.Create());
        var (select, drop) = (_select.Spec.Entry.Name, _drop.Spec.Entry.Name);
        if (_select.DropsRows)
            throw Refusal($"{select} drops rows itself, and {drop} can drop no others beside it");
        if (!_drop.DropsRows)
            throw Refusal($"{drop} drops no rows, and what stands behind the plus drops rows that {select} does not get to select");
        if (_drop.KeptAt(0, (0, 1)) is null)
            throw Refusal($"{drop} decides row by row what it drops, by what each is read for, and of rows that {select} does not read it learns nothing");
        for (_unit = PagePool.PageTokens; _unit % _select.RowUnit != 0; _unit += PagePool.PageTokens)
        {
        }
    }

    public override int ObservedPromptRows => _select.ObservedPromptRows;

    public override bool ObservesDecode => _select.ObservesDecode;

    public override bool DecidesByLayer => _select.DecidesByLayer;

    public override bool DropsRows => true;

    public override (int OldestEnd, int NewestFirst)? KeptAt(int layer, (int First, int End) visible) => _drop.KeptAt(layer, visible);

    public override bool ReadsEveryRow(int layer, (int First, int End) visible) =>
        Hidden(layer, visible) is var (first, end) && end <= Math.Max(first, visible.First) && _select.ReadsEveryRow(layer, visible);

    public override int RowsKeptAt(AttentionShape shape, int layer, int promptRows) => _drop.RowsKeptAt(shape, layer, promptRows);

    public override double IndexBytesPerToken(int dim) => _select.IndexBytesPerToken(dim);

    public override double AppendRowCost(int dim) => _select.AppendRowCost(dim);

    public override double BuildRowCost(int dim) => _select.BuildRowCost(dim);

    public override double IndexBytesRead(int dim, int groupHeads) => _select.IndexBytesRead(dim, groupHeads);

    public override long IndexBytesAt(HeadPlace place, int promptRows, int rows) => _select.IndexBytesAt(Own(place), promptRows, rows);

    public override long SharedIndexBytes(AttentionShape shape) => _select.SharedIndexBytes(shape);

    public override IDisposable? ShareIndex(AttentionShape shape) => _select.ShareIndex(shape);

    public override void RequireFits(AttentionShape shape)
    {
        _select.RequireFits(shape);
        _drop.RequireFits(shape);
    }

    public override Selector CreateSelector(HeadPlace place) => new Narrowed(this, _select.CreateSelector(Own(place)), place.Layer);

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        _select.CreateLayer(Own(first), selectors);
        foreach (ref var selector in selectors)
            selector = selector is null ? null! : new Narrowed(this, selector, first.Layer);
    }

    // Rows that are shared with others do not stay: their index is each sequence's own.
    private static HeadPlace Own(HeadPlace place) => place with { PrefixRows = 0, Prefixes = null };

    private (int First, int End) Hidden(int layer, (int First, int End) visible) => _drop.KeptAt(layer, visible) ?? default;

    private KvasirException Refusal(string why) => new(KvasirError.BadOption, $"attention policy '{Name}' is no pair: {why}");

    /// <summary>Another's selector, from whose sight rows are taken: the oldest that stay come in a round of their own, before those that it selects.</summary>
    private sealed class Narrowed(PairedPolicy policy, Selector selector, int layer) : Selector
    {
        // Rounds before the selector's own: one, or none where no oldest rows are in sight.
        private int _ownFrom;
        private bool _isOwn;

        public override long IndexBytes => selector.IndexBytes;

        public override int RowsWaiting => selector.RowsWaiting;

        public override void Append(KvHead head, int firstRow, int rowCount) => selector.Append(head, firstRow, rowCount);

        public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

        public override void Build(KvHead head, int rows, IndexScratch scratch) => selector.Build(head, rows, scratch);

        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum)
        {
            if (round == 0)
                Begin(query);
            if (round >= _ownFrom)
                selector.Consider(Seen(query), round - _ownFrom, sum);
        }

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round == 0)
                Begin(query);
            _isOwn = round >= _ownFrom;
            if (_isOwn)
                return selector.Select(Seen(query), round - _ownFrom, sum, selection);
            selection.AddRange(query.FirstRow, OldestEnd(query) - query.FirstRow);
            return true;
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride)
        {
            if (_isOwn)
                selector.Reweight(rows, listed, scores, stride);
        }

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max)
        {
            if (_isOwn)
                selector.Weighed(rows, listed, weights, stride, max);
        }

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) =>
            selector.Observe(position, rows, weights, stride);

        public override void Mark(int rows) => selector.Mark(rows);

        public override void Truncate(int rows) => selector.Truncate(rows);

        public override int DroppableRows(KvHead head, (int First, int End) visible) => Droppable(head, visible).Count;

        public override void Edit(KvHead head, (int First, int End) visible, RowEdit edit)
        {
            var (first, count) = Droppable(head, visible);
            edit.Drop(first, count);
        }

        public override void Edited(KvHead head, RowEdit edit) => selector.Edited(head, edit);

        protected override void Dispose(bool disposing)
        {
            selector.Dispose();
            base.Dispose(disposing);
        }

        private void Begin(in HeadQuery query) => _ownFrom = OldestEnd(query) > query.FirstRow ? 1 : 0;

        // None where nothing is hidden: then the selector sees them itself.
        private int OldestEnd(in HeadQuery query)
        {
            var (first, end) = policy.Hidden(layer, (query.FirstPosition, query.EndPosition));
            return end > Math.Max(first, query.FirstPosition) ? query.Head.RowAt(Math.Max(first, query.FirstPosition)) : query.FirstRow;
        }

        private HeadQuery Seen(in HeadQuery query)
        {
            var (first, end) = policy.Hidden(layer, (query.FirstPosition, query.EndPosition));
            return end > Math.Max(first, query.FirstPosition) ? new HeadQuery(query.Head, query.Queries, end, query.EndPosition, query.Scratch) : query;
        }

        // What is left of the page of the oldest rows stays, unread.
        private (int First, int Count) Droppable(KvHead head, (int First, int End) visible)
        {
            var (first, end) = policy.Hidden(layer, visible);
            if (first >= end)
                return default;
            var page = (head.RowAt(first) + PagePool.PageTokens - 1) / PagePool.PageTokens * PagePool.PageTokens;
            return (page, Math.Max(0, head.RowAt(end) - page) / policy._unit * policy._unit);
        }
    }
}
