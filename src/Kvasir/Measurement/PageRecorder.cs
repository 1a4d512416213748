using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Kernels.Attention;
using Kvasir.Models.Configs;

namespace Kvasir.Measurement;

/// <summary>A policy that does what another does, and writes down which pages its heads ask for behind the prompt.</summary>
public sealed class PageRecorder : AttentionPolicy
{
    private readonly AttentionPolicy _policy;
    private readonly int _promptTokens;
    private readonly Lock _gate = new();

    // [steps]: [heads] of all layers, the layers of all heads beside each other.
    private readonly List<Dictionary<(int Layer, int KvHead), SortedSet<int>>> _steps = [];
    private int _layerCount;
    private int _kvHeadCount;

    /// <param name="promptTokens">Of the sequence that it is given to, which is its only one.</param>
    /// <exception cref="KvasirException">The policy gives rows up, whose numbers then change.</exception>
    public PageRecorder(AttentionPolicy policy, int promptTokens)
        : base((policy ?? throw new ArgumentNullException(nameof(policy))).Spec)
    {
        if (policy.DropsRows)
        {
            throw new KvasirException(
                KvasirError.BadOption, $"attention policy '{policy.Name}' gives tokens up, so that there is no trace of pages that stay what they are");
        }

        (_policy, _promptTokens) = (policy, promptTokens);
    }

    public override int ObservedPromptRows => _policy.ObservedPromptRows;

    public override bool ObservesDecode => _policy.ObservesDecode;

    public override bool DecidesByLayer => _policy.DecidesByLayer;

    public override int RowUnit => _policy.RowUnit;

    /// <inheritdoc/>
    /// <remarks>Each is asked, though it reads all.</remarks>
    public override bool ReadsEveryRow(int layer, (int First, int End) visible) => false;

    public override double IndexBytesPerToken(int dim) => _policy.IndexBytesPerToken(dim);

    public override long IndexBytesAt(HeadPlace place, int promptRows, int rows) => _policy.IndexBytesAt(place, promptRows, rows);

    public override double AppendRowCost(int dim) => _policy.AppendRowCost(dim);

    public override double BuildRowCost(int dim) => _policy.BuildRowCost(dim);

    public override long SharedIndexBytes(AttentionShape shape) => _policy.SharedIndexBytes(shape);

    public override IDisposable? ShareIndex(AttentionShape shape) => _policy.ShareIndex(shape);

    public override void RequireFits(AttentionShape shape) => _policy.RequireFits(shape);

    public override object? CreateTogether() => _policy.CreateTogether();

    public override Selector CreateSelector(HeadPlace place) => new Recorded(this, place, _policy.CreateSelector(place));

    public override void CreateLayer(HeadPlace first, Span<Selector> selectors)
    {
        _policy.CreateLayer(first, selectors);
        for (var i = 0; i < selectors.Length; i++)
            selectors[i] = new Recorded(this, first with { KvHead = i }, selectors[i]);
    }

    /// <summary>What was recorded so far; between steps.</summary>
    /// <param name="model">For people.</param>
    /// <exception cref="KvasirException">There was no step behind the prompt.</exception>
    public PageTrace Trace(string model)
    {
        using var gate = _gate.EnterScope();
        if (_steps.Count == 0)
            throw new KvasirException(KvasirError.BadOption, "no step behind the prompt was recorded");
        return new PageTrace
        {
            Model = model,
            Policy = Name,
            LayerCount = _layerCount,
            KvHeadCount = _kvHeadCount,
            Rows = _promptTokens + 1,
            Steps = [.. _steps.Select(InOrder)],
        };
    }

    private int[][] InOrder(Dictionary<(int Layer, int KvHead), SortedSet<int>> step)
    {
        var heads = new int[_layerCount * _kvHeadCount][];
        for (var i = 0; i < heads.Length; i++)
            heads[i] = step.TryGetValue((i / _kvHeadCount, i % _kvHeadCount), out var pages) ? [.. pages] : [];
        return heads;
    }

    private void Add(HeadPlace place, int position, KvSelection selection)
    {
        if (position < _promptTokens)
            return;
        using var gate = _gate.EnterScope();
        (_layerCount, _kvHeadCount) = (Math.Max(_layerCount, place.Layer + 1), Math.Max(_kvHeadCount, place.KvHead + 1));
        while (_steps.Count <= position - _promptTokens)
            _steps.Add([]);
        var step = _steps[position - _promptTokens];
        if (!step.TryGetValue((place.Layer, place.KvHead), out var pages))
            step[(place.Layer, place.KvHead)] = pages = [];
        foreach (var row in selection.Rows)
            pages.Add(row / PagePool.PageTokens);
        foreach (var (first, count) in selection.Ranges)
        {
            for (var page = first / PagePool.PageTokens; page * PagePool.PageTokens < first + count; page++)
                pages.Add(page);
        }
    }

    private sealed class Recorded(PageRecorder owner, HeadPlace place, Selector selector) : Selector
    {
        public override long IndexBytes => selector.IndexBytes;

        public override int RowsWaiting => selector.RowsWaiting;

        public override int RowsBefore => selector.RowsBefore;

        public override void Append(KvHead head, int firstRow, int rowCount) => selector.Append(head, firstRow, rowCount);

        public override void EndPrompt(KvHead head) => selector.EndPrompt(head);

        public override void Build(KvHead head, int rows, IndexScratch scratch) => selector.Build(head, rows, scratch);

        public override void Consider(in HeadQuery query, int round, in SoftmaxView sum) => selector.Consider(query, round, sum);

        public override bool Select(in HeadQuery query, int round, in SoftmaxView sum, KvSelection selection)
        {
            var more = selector.Select(query, round, sum, selection);
            owner.Add(place, query.EndPosition - 1, selection);
            return more;
        }

        public override void Reweight(in RowSet rows, int listed, Span<float> scores, int stride) => selector.Reweight(rows, listed, scores, stride);

        public override void Weighed(in RowSet rows, int listed, ReadOnlySpan<float> weights, int stride, ReadOnlySpan<float> max) =>
            selector.Weighed(rows, listed, weights, stride, max);

        public override void Observe(int position, in RowSet rows, ReadOnlySpan<float> weights, int stride) =>
            selector.Observe(position, rows, weights, stride);

        public override void ObserveQueries(int position, ReadOnlySpan<float> queries) => selector.ObserveQueries(position, queries);

        public override void Mark(int rows) => selector.Mark(rows);

        public override void Truncate(int rows) => selector.Truncate(rows);

        protected override void Dispose(bool disposing)
        {
            selector.Dispose();
            base.Dispose(disposing);
        }
    }
}
