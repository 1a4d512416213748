using System.Diagnostics;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Observation;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;
using Kvasir.Models;

namespace Kvasir.Attention;

/// <summary>
/// The attention of a layer for a whole batch: fans out over sequence, KV head and, for prompts, tiles of positions. Prompt rows
/// are attended densely; a generated token's row reads what its sequence's policy selects.
/// </summary>
internal sealed class SparseAttention : ParallelJob, IDisposable
{
    private readonly AttentionShape _shape;
    private readonly WorkerPool _pool;
    private readonly AttentionScratch[] _scratch;
    private readonly AppendJob _append;
    private readonly ObserveJob _observe;
    private readonly DecodeParts _parts;
    private readonly int[] _firstItems;
    private readonly Way[] _ways;
    private readonly SelectionCounts[] _counts;
    private readonly KvType _type;
    private readonly int _maxRows;
    private Batch _batch = null!;
    private HeadRows _queries;
    private HeadRows _outputs;
    private int _layer;

    /// <param name="type">How keys and values are stored.</param>
    /// <param name="maxSegments">Sequences in a batch.</param>
    /// <param name="maxRows">The most rows that a head will hold.</param>
    public SparseAttention(AttentionShape shape, KvType type, WorkerPool pool, int maxSegments, int maxRows)
    {
        (_shape, _type, _pool, _maxRows) = (shape, type, pool, maxRows);
        _scratch = new AttentionScratch[pool.WorkerCount];
        for (var i = 0; i < _scratch.Length; i++)
            _scratch[i] = new AttentionScratch(shape, type, maxRows);
        _parts = new DecodeParts(shape, maxSegments);
        (_firstItems, _ways) = (new int[maxSegments + 1], new Way[maxSegments]);
        _counts = new SelectionCounts[shape.LayerCount];
        _append = new AppendJob(shape);
        _observe = new ObserveJob(this);
    }

    // How a segment's attention is divided between workers.
    private enum Way
    {
        None,
        Tiles,
        Parts,
        Heads,
        Together,
    }

    /// <summary>Told each layer's queries, when its new keys are in the cache and before it attends; null but for studies.</summary>
    public LayerCapture? Capture { get; set; }

    public long ScratchBytes
    {
        get
        {
            var bytes = _parts.Bytes;
            foreach (var scratch in _scratch)
                bytes += scratch.Bytes;
            return bytes;
        }
    }

    /// <summary>
    /// Appends the batch's keys and values to layer <paramref name="layer"/> of the cache, indexes them, and attends.
    /// </summary>
    /// <param name="queries">[rows, heads, dim], rotated.</param>
    /// <param name="rows">Keys, rotated, and values: each [rows, KV heads, dim].</param>
    /// <param name="outputs">[rows, heads, dim]</param>
    public void Run(Batch batch, int layer, NativeView queries, (NativeView Keys, NativeView Values) rows, NativeView outputs)
    {
        (_batch, _layer, _queries, _outputs) = (batch, layer, new HeadRows(queries, _shape), new HeadRows(outputs, _shape));
        _append.Run(_pool, batch, layer, rows.Keys, rows.Values);
        Capture?.Invoke(batch, layer, queries);
        var segments = batch.Segments;
        var (observes, audits, together) = (false, false, false);
        for (var i = 0; i < segments.Length; i++)
        {
            _ways[i] = WayOf(segments[i]);
            var partCount = _ways[i] switch { Way.None => 0, Way.Tiles => TileCount(segments[i]), Way.Parts => PartCount(segments[i]), _ => 1 };
            _firstItems[i + 1] = _firstItems[i] + (_ways[i] == Way.Together ? 1 : partCount * _shape.KvHeadCount);
            for (var head = 0; head < _shape.KvHeadCount; head++)
                _parts.Begin((i * _shape.KvHeadCount) + head, partCount);
            observes |= NeedsObservation(segments[i]);
            audits |= !segments[i].IsPrompt && segments[i].Attention.Audit is not null;
            together |= _ways[i] == Way.Together;
        }

        if (together)
            PrepareTogether();
        if (observes)
            PrepareToObserve();
        if (audits)
            PrepareToAudit();
        _pool.Run(this, _firstItems[segments.Length]);
        _counts[layer] = TakeCounts();
        if (!observes && !EndsPrompt(segments))
            return;
        _pool.Run(_observe, segments.Length * _shape.KvHeadCount);
        // What prompt rows read is nobody's choice.
        TakeCounts();
    }

    /// <summary>Of all layers of the last step together.</summary>
    /// <param name="layers">[layers]: takes what each of them read.</param>
    public SelectionCounts Counts(Span<LayerReads> layers)
    {
        var counts = default(SelectionCounts);
        for (var layer = 0; layer < _counts.Length; layer++)
            (counts, layers[layer]) = (counts + _counts[layer], _counts[layer].Reads);
        return counts;
    }

    public override void Execute(int item, int worker)
    {
        var index = 0;
        while (item >= _firstItems[index + 1])
            index++;
        var segment = _batch.Segments[index];
        if (segment.Attention.Fault is not null)
            return;
        try
        {
            Attend(segment, (index, item - _firstItems[index]), _scratch[worker]);
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
            _scratch[worker].Abandon();
        }
    }

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
        _parts.Dispose();
    }

    /// <param name="item">The segment's index, and which of its items.</param>
    private void Attend(in Segment segment, (int Index, int Own) item, AttentionScratch scratch)
    {
        var (index, own) = item;
        var (kvHead, part) = (own % _shape.KvHeadCount, own / _shape.KvHeadCount);
        var partCount = (_firstItems[index + 1] - _firstItems[index]) / _shape.KvHeadCount;
        switch (_ways[index])
        {
            case Way.Tiles:
                AttendTile(segment, kvHead, part, scratch);
                break;
            case Way.Parts:
                AttendPart(segment, (index * _shape.KvHeadCount) + kvHead, part, partCount, scratch);
                break;
            case Way.Heads:
                AttendPosition(segment, kvHead, scratch);
                break;
            default:
                AttendLayer(segment, scratch);
                break;
        }
    }

    private static bool NeedsObservation(in Segment segment)
    {
        var attention = segment.Attention;
        return segment.IsPrompt ? segment.EndPosition > attention.PromptEnd - attention.ObservedPromptRows : attention.ObservesDecode;
    }

    private static bool EndsPrompt(ReadOnlySpan<Segment> segments)
    {
        foreach (var segment in segments)
        {
            if (segment.EndsPrompt)
                return true;
        }

        return false;
    }

    private Way WayOf(in Segment segment)
    {
        var attention = segment.Attention;
        if (attention.Fault is not null)
            return Way.None;
        if (segment.IsPrompt)
            return Way.Tiles;
        try
        {
            return attention.Policy.ReadsEveryRow(_layer, _shape.Visible(segment.FirstPosition)) ? Way.Parts : attention.DecidesByLayer ? Way.Together : Way.Heads;
        }
        catch (Exception fault)
        {
            attention.MarkFault(fault);
            return Way.None;
        }
    }

    private int TileCount(in Segment segment) => (segment.RowCount + _scratch[0].TilePositions - 1) / _scratch[0].TilePositions;

    private int PartCount(in Segment segment) => _parts.CountFor(segment.FirstPosition + 1 - _shape.FirstVisible(segment.FirstPosition));

    private SelectionCounts TakeCounts()
    {
        var counts = default(SelectionCounts);
        foreach (var scratch in _scratch)
            (counts, scratch.Counts) = (counts + scratch.Counts, default);
        return counts;
    }

    private void PrepareTogether()
    {
        foreach (var scratch in _scratch)
            scratch.Layer ??= new LayerScratch(_shape, _type, _maxRows);
    }

    private void PrepareToObserve()
    {
        foreach (var scratch in _scratch)
        {
            scratch.Observed ??= new ObservedWeights(_shape.GroupHeads, _maxRows);
            scratch.Layer?.PrepareToObserve(_shape, _maxRows);
        }
    }

    private void PrepareToAudit()
    {
        foreach (var scratch in _scratch)
        {
            scratch.Comparison ??= new DenseComparison(_shape);
            scratch.Layer?.PrepareToCompare(_shape);
        }
    }

    private void AttendTile(in Segment segment, int kvHead, int tile, AttentionScratch scratch)
    {
        var first = tile * scratch.TilePositions;
        var queries = _queries.Queries(segment.FirstRow + first, Math.Min(scratch.TilePositions, segment.RowCount - first), kvHead, scratch);
        var rows = segment.Attention.Head(_layer, kvHead).Rows;
        _outputs.SetOutputs(segment.FirstRow + first, kvHead, HeadAttention.Prefill(rows, queries, _shape, segment.FirstPosition + first, scratch));
    }

    private void AttendPosition(in Segment segment, int kvHead, AttentionScratch scratch)
    {
        var queries = _queries.Queries(segment.FirstRow, 1, kvHead, scratch);
        var head = segment.Attention.Head(_layer, kvHead);
        var visible = _shape.Visible(segment.FirstPosition);
        var audit = AuditOf(segment, kvHead);
        scratch.Compares = audit is not null;
        var before = scratch.Counts.Reads;
        var sum = head.Attend(queries, visible, segment.Attention.ObservesDecode, scratch);
        segment.Attention.CountReads(_layer, kvHead, scratch.Counts.Reads - before);
        if (audit is not null)
            Compare(audit, kvHead, new HeadQuery(head.Rows, queries, visible.First, visible.End, scratch.Selector), sum, scratch);
        _outputs.SetOutputs(segment.FirstRow, kvHead, sum.Output);
    }

    // All heads, whose selectors decide together.
    private void AttendLayer(in Segment segment, AttentionScratch scratch)
    {
        var (layer, visible) = (scratch.Layer!, _shape.Visible(segment.FirstPosition));
        for (var kvHead = 0; kvHead < _shape.KvHeadCount; kvHead++)
        {
            _queries.Queries(segment.FirstRow, 1, kvHead, layer.Scratch(kvHead));
            layer.Set(kvHead, segment.Attention.Head(_layer, kvHead));
            layer.Scratch(kvHead).Compares = AuditOf(segment, kvHead) is not null;
        }

        HeadAttention.DecodeTogether(layer, visible, segment.Attention.ObservesDecode);
        for (var kvHead = 0; kvHead < _shape.KvHeadCount; kvHead++)
        {
            if (AuditOf(segment, kvHead) is { } audit)
                Compare(audit, kvHead, layer.Query(kvHead, visible), layer.Sum(kvHead), layer.Scratch(kvHead));
            _outputs.SetOutputs(segment.FirstRow, kvHead, layer.Sum(kvHead).Output);
            segment.Attention.CountReads(_layer, kvHead, layer.Scratch(kvHead).Counts.Reads);
        }

        scratch.Counts += layer.TakeCounts();
    }

    private AttentionAudit? AuditOf(in Segment segment, int kvHead) =>
        segment.Attention.Audit is { } audit && audit.Draws(segment.FirstPosition, _layer, kvHead) ? audit : null;

    private void Compare(AttentionAudit audit, int kvHead, in HeadQuery query, in SoftmaxSum sum, AttentionScratch scratch)
    {
        var start = Stopwatch.GetTimestamp();
        scratch.Comparison!.Compare(query, sum, scratch);
        var ticks = Stopwatch.GetTimestamp() - start;
        audit.Add(_layer, kvHead, scratch.Comparison, ticks);
        scratch.Counts += new SelectionCounts { AuditTicks = ticks };
    }

    // Some of the rows of one head, all of which are read; whoever comes last joins the parts.
    private void AttendPart(in Segment segment, int headIndex, int part, int partCount, AttentionScratch scratch)
    {
        var kvHead = headIndex % _shape.KvHeadCount;
        var queries = _queries.Queries(segment.FirstRow, 1, kvHead, scratch);
        var visible = _shape.Visible(segment.FirstPosition);
        var rows = DecodeParts.Rows(visible, part, partCount);
        var count = rows.End - rows.First;
        scratch.Counts += new SelectionCounts { Reads = new LayerReads(count, count, 0) };
        if (part == 0)
            segment.Attention.CountReads(_layer, kvHead, new LayerReads(visible.End - visible.First, visible.End - visible.First, 0));
        var sum = _parts.Sum(headIndex, part);
        sum.Reset();
        (scratch.Observes, scratch.Compares) = (false, false);
        HeadAttention.AddRange(segment.Attention.Head(_layer, kvHead) with { Selector = AllRows.Instance }, queries, rows, sum, scratch);
        if (!_parts.EndsWith(headIndex, partCount))
            return;
        var all = _parts.Sum(headIndex, 0);
        all.Finish();
        _outputs.SetOutputs(segment.FirstRow, kvHead, all.Output);
    }

    // The last prompt rows again, one by one, for the selectors that learn from their weights; then the prompt is over.
    private void ObservePrompt(in Segment segment, int kvHead, AttentionScratch scratch)
    {
        if (!segment.IsPrompt)
            return;
        var (head, attention) = (segment.Attention.Head(_layer, kvHead), segment.Attention);
        var first = Math.Max(segment.FirstPosition, attention.PromptEnd - attention.ObservedPromptRows);
        head.ObservePrompt(_queries, segment.FirstRow - segment.FirstPosition, kvHead, (first, segment.EndPosition), scratch);
        if (segment.EndsPrompt)
            head.EndPrompt();
    }

    private sealed class ObserveJob(SparseAttention attention) : ParallelJob
    {
        public override void Execute(int item, int worker)
        {
            var segment = attention._batch.Segments[item / attention._shape.KvHeadCount];
            if (segment.Attention.Fault is not null)
                return;
            try
            {
                attention.ObservePrompt(segment, item % attention._shape.KvHeadCount, attention._scratch[worker]);
            }
            catch (Exception fault)
            {
                segment.Attention.MarkFault(fault);
                attention._scratch[worker].Abandon();
            }
        }
    }
}
