using Kvasir.Attention.Audit;
using Kvasir.Attention.Heads;
using Kvasir.Cache;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// What attention knows of a sequence: its rows in the cache, an index over them for every head, and what was read. It outlives the rows, which may be given
/// back and computed again. One thread uses it between steps; during a step, workers do, each its own heads.
/// </summary>
internal sealed class SequenceAttention
{
    private readonly AttentionShape _shape;
    private LayerReads[] _reads = [];
    private readonly Interruption _interruption;
    private Selector[] _selectors = [];
    private SharedIndex? _shared;
    private SharedIndex? _prefix;
    private ReusedRows? _reused;
    private MemoryBudget? _memory;
    private long _indexBytes;

    // The most rows that wait in any head, and heads in which some do.
    private int _waitingRows;
    private int _waitingHeads;

    /// <param name="maxRows">The most rows that the sequence will ever hold.</param>
    /// <param name="audit">Null for none.</param>
    /// <param name="interruption">Told of faults; ends the sequence's part in a step when somebody else cancels it.</param>
    /// <param name="takeBack">How far its generated rows may be taken back.</param>
    public SequenceAttention(
        AttentionPolicy policy, AttentionShape shape, int maxRows, AttentionAudit? audit, Interruption interruption, TakeBackLimits takeBack = default)
    {
        (Policy, _shape, MaxRows, Audit, _interruption, TakeBack) = (FullLayersPolicy.Of(policy, shape), shape, maxRows, audit, interruption, takeBack);
        (ObservedPromptRows, ObservesDecode, DecidesByLayer) = (Policy.ObservedPromptRows, Policy.ObservesDecode, Policy.DecidesByLayer);
        // What is held against dense attention, or may be come back to, is kept.
        DropsRows = Policy.DropsRows && audit is null && takeBack.Marks == 0;
    }

    public AttentionPolicy Policy { get; }

    public AttentionAudit? Audit { get; }

    public int MaxRows { get; }

    /// <summary>How far its generated rows may be taken back.</summary>
    public TakeBackLimits TakeBack { get; }

    /// <summary>Rows with which other sequences begin too, whoever computes them: see <see cref="HeadPlace.PrefixRows"/>.</summary>
    public int PrefixRows { get; init; }

    /// <summary>As <see cref="AttentionPolicy.ObservedPromptRows"/>, asked once.</summary>
    public int ObservedPromptRows { get; }

    /// <summary>As <see cref="AttentionPolicy.ObservesDecode"/>, asked once.</summary>
    public bool ObservesDecode { get; }

    /// <summary>As <see cref="AttentionPolicy.DecidesByLayer"/>, asked once.</summary>
    public bool DecidesByLayer { get; }

    /// <summary>Whether its heads drop rows between steps.</summary>
    public bool DropsRows { get; }

    /// <summary>Where its rows lie; null before it begins, and after its rows were given back.</summary>
    public SequenceCache? Cache { get; private set; }

    /// <summary>Rows that are computed: the position of the next. To be read from any thread.</summary>
    public int RowCount { get; private set; }

    /// <summary>Rows before this one are attended as a prompt.</summary>
    public int PromptEnd { get; private set; }

    /// <summary>Tokens that were attended under the policy, and not taken back.</summary>
    public int DecodedCount { get; private set; }

    /// <summary>What was thrown in the sequence's own part of a step; null for nothing.</summary>
    public Exception? Fault => _interruption.Fault;

    /// <summary>Whether rows wait to be indexed: then none may be computed.</summary>
    public bool IsIndexing => _waitingRows > 0;

    /// <summary>Whether nobody waits for more of the sequence.</summary>
    public bool IsOver => _interruption.IsOver;

    public void Cancel() => _interruption.Cancel();

    /// <inheritdoc cref="Interruption.MarkFault"/>
    public void MarkFault(Exception fault) => _interruption.MarkFault(fault);

    /// <summary>Makes a fresh selector for every head.</summary>
    /// <param name="shared">What they share with other sequences.</param>
    /// <param name="promptRows">Rows that will be attended as a prompt.</param>
    /// <param name="prefix">The index of the first <see cref="PrefixRows"/>; null when the rows are the sequence's own, and then the index is too.</param>
    /// <exception cref="InvalidOperationException">The policy left one out.</exception>
    public void MakeIndexes(SharedIndex shared, int promptRows, SharedIndex? prefix = null)
    {
        (_shared, _prefix) = (shared, prefix);
        shared.Enter();
        prefix?.Enter();
        if (_reads.Length == 0)
            _reads = new LayerReads[_shape.TotalKvHeads];
        try
        {
            var first = HeadPlace.Of(_shape, 0, 0, MaxRows) with { Shared = shared.Value, TakeBack = TakeBack, PromptRows = promptRows };
            _selectors = Policy.CreateAll(first with { PrefixRows = PrefixRows, Prefixes = prefix?.Value as PrefixIndexes }, _shape);
        }
        catch
        {
            DropIndexes();
            throw;
        }
    }

    /// <summary>Begins to compute, with the selectors that were made for it.</summary>
    /// <param name="promptEnd">Rows before this one will be attended as a prompt.</param>
    /// <param name="reusedCount">Rows that the cache has already, fewer than <paramref name="promptEnd"/>.</param>
    /// <param name="path">The columns of the prefix cache that these are of; null for none.</param>
    public void Begin(SequenceCache cache, int promptEnd, int reusedCount = 0, PrefixPath? path = null)
    {
        Invariant.Holds(cache.MaxRows >= MaxRows && reusedCount < Math.Max(1, promptEnd) && _selectors.Length > 0);
        (Cache, PromptEnd, RowCount) = (cache, promptEnd, reusedCount);
        (_memory, _reused) = (cache.Pool.Memory, new ReusedRows(Policy, _shape, path));
        Tell(0, reusedCount);
    }

    /// <summary>Says that the cache has got rows of the prompt from elsewhere, up to <paramref name="rows"/>: they are indexed before new ones come.</summary>
    public void Skip(int rows)
    {
        Invariant.Holds(!IsIndexing && rows < PromptEnd);
        var first = RowCount;
        RowCount = rows;
        Tell(first, rows);
    }

    /// <summary>Leaves what is indexed of its columns to others.</summary>
    public void LeaveParts()
    {
        if (Fault is not null || _selectors.Length == 0)
            return;
        try
        {
            _reused?.Leave(_selectors);
        }
        catch (Exception fault)
        {
            MarkFault(fault);
        }
    }

    /// <summary>Bytes that growing to <paramref name="rows"/> rows would take for indexes. A policy that throws here has a fault, and takes none.</summary>
    public long IndexBytesMissing(int rows) => IndexBytesMissing(DropsRows ? Cache!.MostRowsAt(rows) : rows, PromptEnd, _prefix is not null);

    /// <param name="promptEnd">Of a sequence that has not begun.</param>
    /// <param name="sharesPrefix">Whether the index of the rows with which others begin too is nothing to it.</param>
    /// <inheritdoc cref="IndexBytesMissing(int)"/>
    public long IndexBytesMissing(int rows, int promptEnd, bool sharesPrefix)
    {
        try
        {
            var prefixBytes = sharesPrefix ? Policy.PrefixBytesAt(_shape, PrefixRows) : 0;
            return Math.Max(0, Policy.IndexBytesAt(_shape, promptEnd, rows, MaxRows, TakeBack, PrefixRows) - prefixBytes - _indexBytes);
        }
        catch (Exception fault)
        {
            MarkFault(fault);
            return 0;
        }
    }

    /// <summary>Takes pages and index memory for rows up to <paramref name="rows"/>. False, with nothing taken, when memory is short.</summary>
    public bool TryReserve(int rows)
    {
        var (cache, missing) = (Cache!, IndexBytesMissing(rows));
        if (!cache.Pool.TryTakeBeside(MemoryUse.Indexes, missing))
            return false;
        if (cache.TryReserve(rows))
        {
            _indexBytes += missing;
            return true;
        }

        cache.Pool.Memory.Give(MemoryUse.Indexes, missing);
        return false;
    }

    /// <summary>Those of a layer, [KV heads].</summary>
    public ReadOnlySpan<Selector> Selectors(int layer) => _selectors.AsSpan(_shape.HeadsBefore(layer), _shape.KvHeadsAt(layer));

    public AttentionHead Head(int layer, int kvHead) => new(Cache!.Head(layer, kvHead), _selectors[_shape.HeadsBefore(layer) + kvHead]);

    /// <summary>Counts rows that a step has computed.</summary>
    public void Commit(in Segment segment)
    {
        RowCount += segment.RowCount;
        if (!segment.IsPrompt)
            DecodedCount += segment.RowCount;
        CountIndexes();
    }

    /// <summary>Says that the cache has the first <paramref name="rows"/> rows, and that selectors were told of them: by somebody else than a step.</summary>
    public void Restore(int rows)
    {
        RowCount = rows;
        CountIndexes();
    }

    /// <summary>Says how many of the rows that wait the next <see cref="BuildHead"/> of each head is for.</summary>
    /// <param name="budget">Rows of all heads together, of an index that costs 1.</param>
    /// <param name="rows">0 when there is no budget; otherwise at least 1.</param>
    /// <returns>The part of the budget that they take.</returns>
    public double TakeSlice(double budget, out int rows)
    {
        if (_reused is { Waiting: > 0 } reused)
            return reused.Take(budget, _waitingHeads, out rows);
        var cost = Policy.BuildRowCost(_shape.Dim) * _waitingHeads;
        // What another builds for both is nothing to this one.
        var isAnothers = _prefix is { IsComplete: false } && !_prefix.IsBuiltBy(this);
        rows = budget > 0 && !isAnothers ? (int)Math.Clamp(budget / cost, 1, _waitingRows) : 0;
        return rows * cost;
    }

    /// <summary>Indexes a slice in one head. One worker has a head at a time.</summary>
    /// <param name="head">Layer by layer.</param>
    public void BuildHead(int head, int rows, IndexScratch scratch)
    {
        var (layer, kvHead) = _shape.PlaceOf(head);
        var own = Head(layer, kvHead);
        if (_reused is { Waiting: > 0 } reused)
            reused.Tell(own, layer, kvHead, rows);
        else if (Math.Min(rows, own.Selector.RowsWaiting) is > 0 and var waiting)
            own.Selector.Build(own.Rows, waiting, scratch);
    }

    /// <summary>Says that all heads have had their slice.</summary>
    public void EndSlice(int rows)
    {
        if (_reused is { Waiting: > 0 } reused)
            reused.EndSlice(rows);
        CountIndexes();
        if (IsOver || RowCount < PromptEnd)
            return;
        if (!IsIndexing)
            _prefix?.Complete();
        LeaveParts();
    }

    /// <summary>
    /// How many from the first attended densely, of the first <paramref name="rows"/>: the prompt's, and generated ones whose layers all read all in sight.
    /// </summary>
    /// <param name="known">As many were asked about before.</param>
    public int DenseRows(int known, int rows)
    {
        var dense = Math.Min(rows, Math.Max(known, PromptEnd));
        while (dense < rows && ReadsEveryRow(dense))
            dense++;
        return dense;
    }

    /// <summary>Whether what is computed is a guess: its reads are not counted, and of rows in two planes the upper alone is read.</summary>
    public bool IsDraft { get; set => Cache!.IsCoarse = field = value; }

    /// <summary>Counts what one head read for one token; one worker at a time has a head.</summary>
    public void CountReads(int layer, int kvHead, LayerReads reads) => _reads[_shape.HeadsBefore(layer) + kvHead] += IsDraft ? default : reads;

    /// <summary>What its generated tokens have read so far, layer by layer.</summary>
    public LayerReads[] ReadsByLayer()
    {
        var layers = new LayerReads[_shape.LayerCount];
        for (var i = 0; i < _reads.Length; i++)
            layers[_shape.PlaceOf(i).Layer] += _reads[i];
        return layers;
    }

    /// <summary>The same of all layers together that see all rows: a policy has to do with no others.</summary>
    public LayerReads ReadsOfFullLayers() =>
        ReadsByLayer().Where((_, layer) => _shape.SeesAll(layer)).Aggregate(default(LayerReads), static (sum, layer) => sum + layer);

    /// <summary>Says that <see cref="Truncate"/> may come back to the rows that there are.</summary>
    public void Mark()
    {
        for (var i = 0; i < _selectors.Length; i++)
            new AttentionHead(Cache!.HeadAt(i), _selectors[i]).Mark();
    }

    /// <summary>
    /// Forgets all but the first <paramref name="rows"/> tokens, in the cache and in every index: generated ones back to a mark, or those of the prompt that
    /// the policy observes with them, since they are observed again.
    /// </summary>
    public void Truncate(int rows)
    {
        Invariant.Holds(rows >= PromptEnd || rows <= Math.Max(0, PromptEnd - ObservedPromptRows));
        // What was dropped does not come back: only a sequence that keeps all its rows is taken back.
        Invariant.Holds(!DropsRows || rows >= RowCount || Cache!.IsWhole);
        DecodedCount -= Math.Max(0, RowCount - Math.Max(rows, PromptEnd));
        Cache!.Truncate(rows);
        for (var i = 0; i < _selectors.Length; i++)
            _selectors[i].Truncate(Cache.HeadAt(i).RowAt(rows));
        RowCount = Math.Min(RowCount, rows);
        _reused?.Truncate(rows);
        CountIndexes();
    }

    /// <summary>Gives rows and indexes back.</summary>
    public void Release()
    {
        Cache?.Close();
        (Cache, RowCount) = (null, 0);
        DropIndexes();
    }

    /// <summary>Gives the indexes' memory back; the rows stay. A selector that throws is the sequence's fault, and keeps none of the others.</summary>
    public void DropIndexes()
    {
        var selectors = _selectors;
        _selectors = [];
        foreach (var selector in selectors)
        {
            try
            {
                selector.Dispose();
            }
            catch (Exception fault)
            {
                MarkFault(fault);
            }
        }

        // The prefix first: it was built with what all share.
        _prefix?.Leave(this);
        _shared?.Leave(this);
        (_shared, _prefix) = (null, null);
        _memory?.Give(MemoryUse.Indexes, _indexBytes);
        (_indexBytes, _waitingRows, _reused) = (0, 0, null);
    }

    /// <summary>Gives back what indexes were asked for and need no longer, since rows were dropped.</summary>
    public void GiveIndexesBack()
    {
        var held = _indexBytes;
        _indexBytes = 0;
        _indexBytes = IndexBytesMissing(RowCount);
        if (_indexBytes < held)
            _memory!.Give(MemoryUse.Indexes, held - _indexBytes);
        else
            _indexBytes = held;
        CountIndexes();
    }

    private bool ReadsEveryRow(int position)
    {
        for (var layer = 0; layer < _shape.LayerCount; layer++)
        {
            if (!Policy.ReadsEveryRow(layer, _shape.At(layer).Visible(position)))
                return false;
        }

        return true;
    }

    // At once, of an index that costs nothing.
    private void Tell(int first, int end)
    {
        _reused!.Add(first, end);
        (_waitingRows, _waitingHeads) = (end - first, _selectors.Length);
        if (!_reused.IsFree)
            return;
        for (var head = 0; head < _selectors.Length && end > first; head++)
            new AttentionHead(Cache!.HeadAt(head), _selectors[head]).Append(first, end - first);
        _reused.EndSlice(end - first);
        _waitingRows = 0;
    }

    // Which rows wait, and memory beyond what was asked for, positions beside dropped rows among it.
    private void CountIndexes()
    {
        try
        {
            var held = DropsRows ? Cache!.PositionBytes : 0;
            var untold = _reused?.Waiting ?? 0;
            (_waitingRows, _waitingHeads) = (untold, untold > 0 ? _selectors.Length : 0);
            foreach (var selector in _selectors)
            {
                held += selector.IndexBytes;
                if (untold == 0 && selector.RowsWaiting is var rows and > 0)
                    (_waitingRows, _waitingHeads) = (Math.Max(_waitingRows, rows), _waitingHeads + 1);
            }

            if (held <= _indexBytes)
                return;
            _memory!.Add(MemoryUse.Indexes, held - _indexBytes);
            _indexBytes = held;
        }
        catch (Exception fault)
        {
            MarkFault(fault);
        }
    }
}
