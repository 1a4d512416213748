using Kvasir.Attention.Heads;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// The attention of a layer for a whole batch: finds the way in which each segment attends, and fans out over their items. Workers that find no more items help
/// those who still attend the rows of a head.
/// </summary>
internal sealed class BatchAttention : ParallelJob, IDisposable
{
    private static readonly EachHead Selecting = new(readsAll: false);
    private static readonly EachHead ReadingAll = new(readsAll: true);
    private static readonly RowsTogether ReadingAllOnce = new();
    private static readonly HeadsTogether Together = new();
    private readonly AttentionShape _shape;
    private readonly WorkerPool _pool;
    private readonly AttentionScratch[] _scratch;
    private readonly SelectionCounts[] _workerCounts;
    private readonly SelectionCounts[] _layerCounts;
    private readonly AppendJob _append;
    private readonly ObserveJob _observe;
    private readonly QueryAhead _ahead;
    private readonly PromptTiles _tiles;
    private readonly int[] _firstItems;
    private readonly AttentionWay?[] _ways;
    private readonly KvFormat _format;
    private readonly int _maxRows;
    private Batch _batch = null!;
    private LayerWork _work;
    private int _helpedItems;
    private LateHeads? _late;
    private bool _isLate;

    /// <param name="format">How keys and values are stored.</param>
    /// <param name="maxSegments">Sequences in a batch.</param>
    /// <param name="maxRows">The most rows that a head will hold.</param>
    public BatchAttention(AttentionShape shape, KvFormat format, WorkerPool pool, int maxSegments, int maxRows)
    {
        (_shape, _format, _pool, _maxRows) = (shape, format, pool, maxRows);
        _scratch = new AttentionScratch[pool.WorkerCount];
        for (var i = 0; i < _scratch.Length; i++)
            _scratch[i] = new AttentionScratch(shape, format, maxRows);
        (_firstItems, _ways) = (new int[maxSegments + 1], new AttentionWay?[maxSegments]);
        (_workerCounts, _layerCounts) = (new SelectionCounts[pool.WorkerCount], new SelectionCounts[shape.LayerCount]);
        _tiles = new PromptTiles(_scratch[0].TilePositions);
        _append = new AppendJob(shape, _ways);
        _observe = new ObserveJob(this);
        _ahead = new QueryAhead(shape, _scratch, _workerCounts);
    }

    /// <summary>Told each layer's queries, when its new keys are in the cache and before it attends; null but for studies.</summary>
    public LayerCapture? Capture { get; set; }

    /// <summary>Changes each layer's queries before they are used; null but for measurements with random weights.</summary>
    public QueryChange? Change { get; set; }

    public long ScratchBytes
    {
        get
        {
            var bytes = 0L;
            foreach (var scratch in _scratch)
                bytes += scratch.Bytes;
            return bytes + (_late?.Bytes ?? 0);
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
        _batch = batch;
        var shape = _shape.At(layer);
        _work = new LayerWork(layer, new HeadRows(queries, shape), new NewRows(rows.Keys, rows.Values, shape), new HeadRows(outputs, shape));
        var segments = batch.Segments;
        Prepare(segments);
        Change?.Invoke(batch, layer, queries, isForeseen: false);
        _append.Run(_pool, batch, _work);
        Capture?.Invoke(batch, layer, queries);
        // The last items are help: whoever comes to one has found no other work.
        var items = _firstItems[segments.Length];
        _late?.Expect(_isLate ? items : 0);
        _pool.Run(this, _isLate ? items + _pool.WorkerCount : _helpedItems == 0 ? items : items + _pool.WorkerCount - 1);
        _layerCounts[layer] = TakeCounts();
        if (!IsToldOfPrompt(segments))
            return;
        _pool.Run(_observe, segments.Length * _shape.KvHeadCount);
        // What prompt rows read is nobody's choice.
        TakeCounts();
    }

    /// <summary>Whether <see cref="Foresee"/> would be worth its time.</summary>
    public bool Foresees(Batch batch) => _ahead.Pays(batch) && IsLate(batch.Segments, layer: 0);

    /// <summary>Begins to read what generated tokens will probably read in a layer that is to come.</summary>
    /// <param name="queries">[rows, heads, dim], rotated: as near to the layer's own as can be had before it is computed.</param>
    public void Foresee(Batch batch, int layer, NativeView queries)
    {
        Change?.Invoke(batch, layer, queries, isForeseen: true);
        _ahead.Run(_pool, batch, layer, new HeadRows(queries, _shape));
    }

    /// <summary>Of all layers of the last step together; what layers with a window read is nobody's choice, and not counted.</summary>
    /// <param name="layers">[layers]: what each of them read is added.</param>
    public SelectionCounts Counts(Span<LayerReads> layers)
    {
        var counts = default(SelectionCounts);
        for (var layer = 0; layer < _layerCounts.Length; layer++)
        {
            layers[layer] += _layerCounts[layer].Reads;
            counts += _shape.SeesAll(layer) ? _layerCounts[layer] : _layerCounts[layer] with { Reads = default };
        }

        return counts;
    }

    public override void Execute(int item, int worker)
    {
        var index = 0;
        while (index < _batch.Segments.Length && item >= _firstItems[index + 1])
            index++;
        if (index == _batch.Segments.Length)
        {
            Help(_scratch[worker], ref _workerCounts[worker]);
            return;
        }

        var (segment, way) = (_batch.Segments[index], _ways[index]!);
        if (_isLate)
        {
            if (segment.Attention.Fault is null)
                _late!.Begin(_work, segment, item - _firstItems[index], way == ReadingAll, ref _workerCounts[worker]);
            else
                _late!.Skip();
            return;
        }

        try
        {
            if (segment.Attention.Fault is null)
                way.Run(_work, segment, item - _firstItems[index], _scratch[worker], ref _workerCounts[worker]);
        }
        catch (Exception fault)
        {
            segment.Attention.MarkFault(fault);
        }
        finally
        {
            if (way.TakesHelp)
                Interlocked.Decrement(ref _helpedItems);
        }
    }

    public void Dispose()
    {
        foreach (var scratch in _scratch)
            scratch.Dispose();
        _late?.Dispose();
    }

    // Attends rows of heads that others have chosen, until all of them are done.
    private void Help(AttentionScratch own, ref SelectionCounts counts)
    {
        var spinner = default(SpinWait);
        while (_isLate && _late!.IsBusy)
        {
            if (!_late.Help(waits: true, ref counts))
                spinner.SpinOnce(sleep1Threshold: -1);
        }

        while (Volatile.Read(ref _helpedItems) > 0)
        {
            var helped = false;
            foreach (var scratch in _scratch)
                helped |= scratch.Parts.TryHelp(own);
            if (helped)
                spinner.Reset();
            else
                spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    private void Prepare(ReadOnlySpan<Segment> segments)
    {
        var (observes, audits, together, helped, positions) = (false, false, false, 0, 1);
        for (var i = 0; i < segments.Length; i++)
        {
            _ways[i] = WayOf(segments[i]);
            var items = _ways[i]?.ItemCount(segments[i], _shape.KvHeadCount) ?? 0;
            _firstItems[i + 1] = _firstItems[i] + items;
            observes |= segments[i].IsPrompt ? segments[i].Attention.ObservedPromptRows > 0 : segments[i].Attention.ObservesDecode;
            audits |= !segments[i].IsPrompt && segments[i].Attention.Audit is not null;
            together |= _ways[i] == Together;
            helped += _ways[i] is { TakesHelp: true } ? items : 0;
            positions = _ways[i] == ReadingAllOnce ? Math.Max(positions, 1 + segments[i].Attention.TakeBack.Marks) : positions;
        }

        _isLate = IsLate(segments, _work.Layer);
        if (_isLate)
            _late ??= new LateHeads(_shape, _format, _maxRows, _pool.WorkerCount);
        _helpedItems = _isLate ? 0 : helped;
        foreach (var scratch in _scratch)
        {
            scratch.Parts.PrepareFor(positions);
            if (together)
                scratch.Layer ??= new LayerScratch(_shape, _format, _maxRows, scratch.Parts);
            if (observes)
                scratch.PrepareToObserve(_shape, _maxRows);
            if (audits)
                scratch.PrepareToCompare(_shape);
        }
    }

    // Whether rows may be on file, and no head has to wait for another or to be watched. Prompts pin whole heads, which would wait for those that are left.
    private static bool IsLate(ReadOnlySpan<Segment> segments, int layer)
    {
        foreach (var segment in segments)
        {
            var attention = segment.Attention;
            if (segment.Kind != SegmentKind.Decode || attention.Head(layer, 0).Rows.Paged is null || attention.DecidesByLayer
                || attention.Audit is not null)
                return false;
        }

        return segments.Length > 0;
    }

    // Null for one that has nothing to attend any more.
    private AttentionWay? WayOf(in Segment segment)
    {
        var attention = segment.Attention;
        if (attention.Fault is not null)
            return null;
        if (segment.IsPrompt)
            return _tiles;
        try
        {
            if (ReadsEveryRow(segment))
                return segment.Kind == SegmentKind.Verify ? ReadingAllOnce : ReadingAll;
            return attention.DecidesByLayer ? Together : Selecting;
        }
        catch (Exception fault)
        {
            attention.MarkFault(fault);
            return null;
        }
    }

    private bool ReadsEveryRow(in Segment segment)
    {
        for (var position = segment.FirstPosition; position < segment.EndPosition; position++)
        {
            if (!segment.Attention.Policy.ReadsEveryRow(_work.Layer, _work.Queries.Shape.Visible(position)))
                return false;
        }

        return true;
    }

    // Whether somebody learns from prompt rows, or has to be told that a prompt is over.
    private static bool IsToldOfPrompt(ReadOnlySpan<Segment> segments)
    {
        foreach (var segment in segments)
        {
            if (segment.IsPrompt && (segment.EndsPrompt || segment.EndPosition > segment.Attention.PromptEnd - segment.Attention.ObservedPromptRows))
                return true;
        }

        return false;
    }

    private SelectionCounts TakeCounts()
    {
        var counts = default(SelectionCounts);
        foreach (ref var own in _workerCounts.AsSpan())
            (counts, own) = (counts + own, default);
        return counts;
    }

    // The last prompt rows again, one by one, for the selectors that learn from their weights; then the prompt is over.
    private void ObservePrompt(in Segment segment, int kvHead, AttentionScratch scratch)
    {
        if (!segment.IsPrompt)
            return;
        var (head, attention) = (segment.Attention.Head(_work.Layer, kvHead), segment.Attention);
        var first = Math.Max(segment.FirstPosition, attention.PromptEnd - attention.ObservedPromptRows);
        head.ObservePrompt(_work.Queries, segment.FirstRow - segment.FirstPosition, kvHead, (first, segment.EndPosition), scratch);
        if (segment.EndsPrompt)
            head.EndPrompt();
    }

    private sealed class ObserveJob(BatchAttention attention) : ParallelJob
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
            }
        }
    }
}
