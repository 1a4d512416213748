using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Between steps, asks the policies of sequences what their heads give up, and does it: once for a layer when the prompt is over and all of its heads have
/// observed it, then head by head as tokens come. Rows go in bursts, a page's worth or a 64th of all at a time, so that closing the gaps costs little: a window
/// that moves on copies its sinks, and of n scattered rows n move for n/64 that go. With one of them given up a token that is 64 rows for each token and
/// head, 32 kB at dim 128 in bf16, where it reads n.
/// </summary>
internal sealed class EditJob : ParallelJob
{
    private const int LeastRows = PagePool.PageTokens;
    private const int LeastShare = 64;

    // Of three pages in a row at least two are whole ones.
    private const int LeastSharingRows = 3 * PagePool.PageTokens;

    // Heads are asked every so many tokens.
    private const int AskedTokens = 16;
    private readonly AttentionShape _shape;
    private readonly RowEdit[] _edits;
    private readonly int _mostHeads;
    private readonly List<Segment> _segments;

    // Workers say so, and take nothing back.
    private volatile bool _freesMuch;

    public EditJob(AttentionShape shape, int workerCount, int maxSegments)
    {
        _shape = shape;
        _segments = new List<Segment>(maxSegments);
        // [workers, KV heads]: a layer's heads answer together.
        _mostHeads = Math.Max(shape.KvHeadCount, shape.WindowHeads?.KvHeadCount ?? 0);
        _edits = new RowEdit[workerCount * _mostHeads];
        for (var i = 0; i < _edits.Length; i++)
            _edits[i] = new RowEdit();
    }

    /// <param name="batch">Computed, and its tokens drawn.</param>
    /// <returns>Whether a prompt was over that had rows to drop, or what it had left behind was.</returns>
    public bool Run(WorkerPool pool, Batch batch)
    {
        _segments.Clear();
        foreach (var segment in batch.Segments)
        {
            if (IsAsked(segment))
                _segments.Add(segment);
        }

        if (_segments.Count == 0)
            return false;
        _freesMuch = false;
        foreach (var segment in _segments)
        {
            Prepare(segment.Attention.MaxRows);
            _freesMuch |= segment.IsPrompt;
        }

        pool.Run(this, _segments.Count * _shape.LayerCount);
        foreach (var segment in _segments)
            segment.Attention.GiveIndexesBack();
        return _freesMuch;
    }

    /// <summary>Asks what the heads of a sequence whose prompt is over give up, and leaves it at that.</summary>
    public void Ask(SequenceAttention attention)
    {
        for (var layer = 0; layer < _shape.LayerCount; layer++)
            Ask(attention, layer, _shape.At(layer).Visible(attention.RowCount), _edits.AsSpan(0, _shape.KvHeadsAt(layer)));
    }

    public override void Execute(int item, int worker)
    {
        var (segment, layer) = (_segments[item / _shape.LayerCount], item % _shape.LayerCount);
        try
        {
            var visible = _shape.At(layer).Visible(segment.Attention.RowCount);
            if (segment.IsPrompt)
                EndPrompt(segment.Attention, layer, visible, _edits.AsSpan(worker * _mostHeads, _shape.KvHeadsAt(layer)));
            else
                AfterStep(segment.Attention, layer, visible, _edits[worker * _mostHeads]);
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
        }
    }

    // Those that go on, and drop rows. An index that still lacks rows knows them by their old numbers.
    private static bool IsAsked(in Segment segment)
    {
        var attention = segment.Attention;
        if (!attention.DropsRows || attention.Cache is null || attention.Fault is not null || attention.IsOver || attention.IsIndexing)
            return false;
        return segment.IsPrompt ? segment.EndsPrompt : segment.EndPosition / AskedTokens > segment.FirstPosition / AskedTokens;
    }

    // What a step may find to drop is listed without taking memory.
    private void Prepare(int maxRows)
    {
        foreach (var edit in _edits)
            edit.Prepare(LeastSharingRows + (maxRows / LeastShare));
    }

    private static void EndPrompt(SequenceAttention attention, int layer, (int First, int End) visible, ReadOnlySpan<RowEdit> edits)
    {
        for (var kvHead = 0; kvHead < edits.Length; kvHead++)
            attention.Head(layer, kvHead).Rows.PrepareToDrop();
        Ask(attention, layer, visible, edits);
        for (var kvHead = 0; kvHead < edits.Length; kvHead++)
        {
            if (edits[kvHead].DroppedCount >= LeastRows || edits[kvHead].NarrowedCount > 0)
                attention.Head(layer, kvHead).Edit(edits[kvHead]);
        }
    }

    private static void Ask(SequenceAttention attention, int layer, (int First, int End) visible, ReadOnlySpan<RowEdit> edits)
    {
        for (var kvHead = 0; kvHead < edits.Length; kvHead++)
            edits[kvHead].Begin(attention.Head(layer, kvHead).Rows.RowCount);
        attention.Policy.EndPrompt(new LayerHeads(attention.Cache!, layer, visible, attention.Selectors(layer), edits));
    }

    private void AfterStep(SequenceAttention attention, int layer, (int First, int End) visible, RowEdit edit)
    {
        for (var kvHead = 0; kvHead < _shape.KvHeadsAt(layer); kvHead++)
        {
            var head = attention.Head(layer, kvHead);
            var least = Math.Max(head.Rows.SharesRanges ? LeastSharingRows : LeastRows, head.Rows.RowCount / LeastShare);
            if (head.Selector.DroppableRows(head.Rows, visible) < least)
                continue;
            edit.Begin(head.Rows.RowCount);
            head.Selector.Edit(head.Rows, visible, edit);
            head.Edit(edit);
            // What a prompt has left behind, where its index came first.
            if (edit.DroppedCount * 2 > edit.RowCount)
                _freesMuch = true;
        }
    }
}
