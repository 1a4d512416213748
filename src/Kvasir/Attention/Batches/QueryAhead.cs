using System.Diagnostics;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Begins to read from file what a layer will probably want while the one before it is still computed: by queries that are made of the residual stream before
/// the feed-forward layer, which selectors rank by what they keep in memory. What is chosen afterwards is chosen by the real queries, so that results do not
/// depend on it. What the last step chose would foretell nothing: that is in memory still.
/// </summary>
/// <param name="scratch">Of each worker.</param>
/// <param name="counts">Of each worker: takes what choosing took.</param>
internal sealed class QueryAhead(AttentionShape shape, AttentionScratch[] scratch, SelectionCounts[] counts) : ParallelJob
{
    private const int PageRows = PagePool.PageTokens;
    private const int PagesAtOnce = 128;

    // Of each part of rows that are read whole, enough until the layer begins.
    private const int WholeRows = 8 * PageRows;
    private readonly int[][] _pages = NewPages(scratch.Length);
    private Batch _batch = null!;
    private HeadRows _queries;
    private int _layer;

    /// <summary>Whether reading ahead pays for a batch of generated tokens.</summary>
    public bool Pays(Batch batch) => batch.Segments is [var first, ..] && first.Attention.Head(0, 0).Rows.Paged?.Placement is { } placement
        && placement.ReadsAhead(shape.LayerCount);

    public void Run(WorkerPool pool, Batch batch, int layer, HeadRows queries)
    {
        (_batch, _layer, _queries) = (batch, layer, queries);
        pool.Run(this, batch.Segments.Length * shape.KvHeadCount);
    }

    public override void Execute(int item, int worker)
    {
        var (segment, kvHead) = (_batch.Segments[item / shape.KvHeadCount], item % shape.KvHeadCount);
        if (segment.Attention.Fault is not null)
            return;
        try
        {
            var start = Stopwatch.GetTimestamp();
            if (TryForesee(segment, kvHead, scratch[worker]))
                Ask(segment.Attention.Head(_layer, kvHead).Rows.Paged!, scratch[worker].Selection, _pages[worker]);
            counts[worker] += new SelectionCounts { Ticks = Stopwatch.GetTimestamp() - start };
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
        }
    }

    private bool TryForesee(in Segment segment, int kvHead, AttentionScratch own)
    {
        var (attention, selection, visible) = (segment.Attention, own.Selection, shape.At(_layer).Visible(segment.FirstPosition));
        var head = attention.Head(_layer, kvHead);
        selection.Clear();
        if (!attention.Policy.ReadsEveryRow(_layer, visible))
        {
            var queries = _queries.Queries(segment.FirstRow, 1, kvHead, own);
            return head.Selector.Foresee(new HeadQuery(head.Rows, queries, visible.First, visible.End, own.Selector), selection);
        }

        var (first, end) = (head.Rows.RowAt(visible.First), head.Rows.RowCount);
        var parts = own.Parts.CountFor(end - first);
        for (var part = 0; part < parts; part++)
        {
            var from = first + (int)((long)(end - first) * part / parts);
            selection.AddRange(from, Math.Min(WholeRows, end - from));
        }

        return true;
    }

    private static void Ask(PageTable table, KvSelection selection, int[] pages)
    {
        var count = 0;
        foreach (var (first, rows) in selection.Ranges)
        {
            for (var place = first / PageRows; place <= (first + rows - 1) / PageRows; place++)
            {
                if (!TryAdd(place))
                    return;
            }
        }

        var last = -1;
        foreach (var row in selection.Rows)
        {
            if (row / PageRows is var place && place != last && !TryAdd(last = place))
                return;
        }

        table.Placement!.Ask(pages.AsSpan(0, count), areForetold: true);

        // False when there is no room for more.
        bool TryAdd(int place)
        {
            if (place >= table.Pages.Length)
                return true;
            pages[count++] = table.Pages[place];
            if (count < pages.Length)
                return true;
            count = 0;
            var (missing, begun) = table.Placement!.Ask(pages, areForetold: true);
            return begun == missing;
        }
    }

    private static int[][] NewPages(int count)
    {
        var pages = new int[count][];
        for (var i = 0; i < count; i++)
            pages[i] = new int[PagesAtOnce];
        return pages;
    }
}
