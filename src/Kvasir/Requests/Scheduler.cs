using System.Runtime.InteropServices;
using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cache;
using Kvasir.Files;

namespace Kvasir.Requests;

/// <summary>
/// Decides who computes next: one row for each running sequence that decodes, then prompt rows, oldest request first, up to the
/// rows of a batch. One whose index is being built has none. Memory for pages and indexes is taken here, before anything is computed; when it runs short the
/// youngest sequence gives its own back and waits to be computed again.
/// </summary>
internal sealed class Scheduler
{
    private readonly Queue<Sequence> _waiting = new();
    private readonly List<Sequence> _preempted = [];
    private readonly List<Sequence> _running;
    private readonly List<Sequence> _chosen;
    private readonly KvCache _cache;
    private readonly SharedIndexes _shared;
    private readonly SequenceBytes _bytes;
    private readonly EngineOptions _options;

    /// <param name="shared">What the indexes of all sequences share.</param>
    /// <param name="bytes">What a sequence takes, for refusals.</param>
    /// <param name="options">How many sequences may compute side by side, how many may wait, and which rows go first.</param>
    public Scheduler(KvCache cache, SharedIndexes shared, SequenceBytes bytes, EngineOptions options)
    {
        (_cache, _shared, _bytes, _options) = (cache, shared, bytes, options);
        _running = new List<Sequence>(options.MaxSequences);
        _chosen = new List<Sequence>(options.MaxSequences);
    }

    public int WaitingCount => _waiting.Count + _preempted.Count;

    public int RunningCount => _running.Count;

    /// <summary>Whether all that wait do so for memory that others have, and nobody computes.</summary>
    public bool AwaitsMemory { get; private set; }

    /// <summary>Whose rows the batch has, segment by segment.</summary>
    public ReadOnlySpan<Sequence> Chosen => CollectionsMarshal.AsSpan(_chosen);

    /// <summary>False when the queue is full.</summary>
    public bool TryEnqueue(Sequence sequence)
    {
        if (_waiting.Count == _options.QueueLimit)
            return false;
        _waiting.Enqueue(sequence);
        return true;
    }

    /// <summary>Fills <paramref name="batch"/> with the next step's rows. It stays empty when there is nothing to do.</summary>
    public void Next(Batch batch)
    {
        batch.Clear();
        _chosen.Clear();
        AwaitsMemory = false;
        DropOver();
        Admit();
        if (_options.PromptsFirst)
            AddPrompts(batch, preempts: false);
        if (_options.PromptsFirst && (batch.RowCount > 0 || IsAnyIndexing))
            return;
        AddDecoding(batch);
        AddPrompts(batch, preempts: true);
    }

    /// <summary>Adds those whose index is not ready, oldest first.</summary>
    public void AddIndexing(IndexJob job)
    {
        foreach (var sequence in _running)
        {
            if (!sequence.Attention!.IsIndexing || sequence.IsOver)
                continue;
            sequence.Timings.MarkIndexing();
            job.Add(sequence.Attention);
        }
    }

    /// <summary>Takes a sequence that has ended out of the running ones.</summary>
    public void Remove(Sequence sequence) => _running.Remove(sequence);

    /// <summary>Ends what nobody waits for any more, and what has a fault of its own.</summary>
    public void DropOver()
    {
        DropOver(_running);
        DropOver(_preempted);
        while (_waiting.TryPeek(out var first) && first.IsOver)
            _waiting.Dequeue().End(FinishReason.Cancelled);
    }

    /// <summary>Ends everything with <paramref name="failure"/>: the engine cannot go on.</summary>
    public void FailAll(KvasirException failure)
    {
        FailRunning(failure);
        foreach (var sequence in _preempted)
            sequence.End(FinishReason.Failed, failure);
        while (_waiting.TryDequeue(out var sequence))
            sequence.End(FinishReason.Failed, failure);
        _preempted.Clear();
    }

    /// <summary>Ends those that compute with <paramref name="failure"/>: a step of theirs is lost.</summary>
    public void FailRunning(KvasirException failure)
    {
        foreach (var sequence in _running)
            sequence.End(FinishReason.Failed, failure);
        _running.Clear();
    }

    private static void DropOver(List<Sequence> sequences)
    {
        for (var i = sequences.Count - 1; i >= 0; i--)
        {
            if (!sequences[i].IsOver)
                continue;
            sequences[i].End(FinishReason.Cancelled);
            sequences.RemoveAt(i);
        }
    }

    private void Admit()
    {
        while (_running.Count < _options.MaxSequences && NextWaiting() is { } sequence)
        {
            try
            {
                if (!HasRoom(sequence) || !TryStart(sequence))
                {
                    // Somebody will give back; when nobody else has anything, nobody will.
                    if (_running.Count > 0 || _cache.Pool.Memory.IsHeldElsewhere)
                    {
                        AwaitsMemory = _running.Count == 0;
                        return;
                    }

                    throw OutOfMemory(sequence, sequence.TokenCount);
                }

                _running.Add(sequence);
            }
            catch (Exception fault)
            {
                sequence.MarkFault(fault);
                sequence.End(FinishReason.Failed);
            }

            if (_preempted.Count > 0)
                _preempted.RemoveAt(0);
            else
                _waiting.Dequeue();
        }
    }

    // Whoever was preempted goes first: it has waited longest.
    private Sequence? NextWaiting() => _preempted.Count > 0 ? _preempted[0] : _waiting.TryPeek(out var first) ? first : null;

    private bool IsAnyIndexing
    {
        get
        {
            foreach (var sequence in _running)
            {
                if (sequence.Attention!.IsIndexing)
                    return true;
            }

            return false;
        }
    }

    // False, with nothing taken, when memory is short.
    private bool TryStart(Sequence sequence)
    {
        var attention = sequence.Attention!;
        var prefixRows = ReusableRows(sequence) > 0 ? sequence.Shared!.Rows : null;
        if (_shared.TryTake(attention.Policy) is not { } shared)
            return false;
        var prefix = prefixRows is null ? null : _shared.TryTake(attention.Policy, prefixRows, shared);
        if (prefixRows is not null && prefix is null)
            return false;
        // First, since a policy may fail, and then what is shared stays where it is.
        attention.MakeIndexes(shared, prefix);
        if (_cache.TryOpen(sequence.TokenLimit) is not { } cache)
        {
            attention.DropIndexes();
            return false;
        }

        sequence.Enter();
        if (prefixRows is not null)
            cache.Adopt(prefixRows);
        attention.Begin(cache, sequence.PrefillCount, prefixRows?.RowCount ?? 0);
        return true;
    }

    // Nobody enters while the memory for the prompt is not free, or two prompts would take turns in evicting each other.
    private bool HasRoom(Sequence sequence)
    {
        var (attention, reused) = (sequence.Attention!, ReusableRows(sequence));
        var rows = Math.Min(sequence.TokenCount + 1, Math.Max(sequence.TokenCount, sequence.TokenLimit));
        var prefixRows = reused > 0 ? sequence.Shared!.Rows : null;
        var pages = (long)_cache.HeadCount * (KvHead.PagesFor(rows) - KvHead.PagesFor(reused));
        var bytes = _cache.OpenPageBytes + attention.IndexBytesMissing(rows, sequence.PrefillCount, sharesPrefix: reused > 0);
        // What running prompts have not taken yet but will.
        foreach (var running in _running)
        {
            pages += running.Attention!.Cache!.PagesMissing(running.TokenCount);
            bytes += running.Attention.IndexBytesMissing(running.TokenCount);
        }

        return _cache.Pool.HasRoom(pages, bytes + _shared.BytesMissing(attention.Policy, prefixRows))
            || (_shared.Trim() && _cache.Pool.HasRoom(pages, bytes + _shared.BytesMissing(attention.Policy, prefixRows)));
    }

    private int ReusableRows(Sequence sequence) =>
        sequence.Shared is { } shared && !shared.IsElsewhere(_cache) && shared.HasRowsFor(sequence) ? shared.TokenCount : 0;

    private void AddDecoding(Batch batch)
    {
        // Behind a row, and one of logits, for everyone.
        var spare = Math.Min(batch.MaxRows, batch.MaxLogitRows) - _running.Count;
        for (var i = 0; i < _running.Count; i++)
        {
            var sequence = _running[i];
            if (sequence.CachedCount < sequence.PrefillCount || batch.RowsLeft == 0 || sequence.Attention!.IsIndexing)
                continue;
            var candidates = Candidates(sequence, spare);
            // Preempts from the young end, so nobody whom the batch already has.
            if (candidates == 0 && !sequence.Attention!.TryReserve(sequence.CachedCount + 1) && !TryPreemptFor(sequence, sequence.CachedCount + 1))
                continue;
            sequence.Timings.MarkDecoding();
            batch.Add(sequence.Attention!, sequence.NewestWith(candidates), 1 + candidates);
            _chosen.Add(sequence);
            spare -= candidates;
        }
    }

    // Whose memory is reserved. Nobody is to be preempted for a guess: everyone could grow by a page.
    private int Candidates(Sequence sequence, int most)
    {
        if (sequence.Options.SpeculativeTokens == 0 || most <= 0 || !_cache.Pool.HasRoom((long)_cache.HeadCount * _running.Count, 0))
            return 0;
        var count = sequence.Propose(most);
        if (count == 0 || !sequence.Attention!.TryReserve(sequence.CachedCount + 1 + count))
            return 0;
        if (sequence.TokenCount >= sequence.AnswerStart)
            sequence.Timings.CountGuess(count);
        return count;
    }

    private void AddPrompts(Batch batch, bool preempts)
    {
        for (var i = 0; i < _running.Count && batch.RowsLeft > 0; i++)
        {
            var sequence = _running[i];
            if (sequence.CachedCount >= sequence.PrefillCount || sequence.Attention!.IsIndexing)
                continue;
            var rows = Math.Min(batch.RowsLeft, sequence.PrefillCount - sequence.CachedCount);
            // A prompt waits while others make progress; only when nobody does is somebody preempted for it.
            var reserved = sequence.Attention!.TryReserve(sequence.CachedCount + rows)
                || (preempts && batch.RowCount == 0 && !IsAnyIndexing && TryPreemptFor(sequence, sequence.CachedCount + rows));
            if (!reserved)
                continue;
            sequence.Timings.MarkPrefillStart();
            Add(batch, sequence, rows);
        }
    }

    // Logits are wanted where the newest token is among the rows.
    private void Add(Batch batch, Sequence sequence, int rows)
    {
        var first = sequence.CachedCount;
        batch.Add(sequence.Attention!, sequence.Tokens.Slice(first, rows), first + rows == sequence.TokenCount ? 1 : 0);
        _chosen.Add(sequence);
    }

    // The youngest gives way, in the end the sequence itself; one that is alone and still short can never go on, unless others have what is missing.
    private bool TryPreemptFor(Sequence sequence, int rows)
    {
        while (!sequence.Attention!.TryReserve(rows))
        {
            // What nobody uses goes before anybody does.
            if (_shared.Trim())
                continue;
            var victim = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            if (_running.Count == 0 && !MayComeAgain(victim, rows))
            {
                victim.End(FinishReason.Failed, OutOfMemory(victim, rows));
                return false;
            }

            victim.Release();
            _cache.Pool.Trim();
            _preempted.Insert(0, victim);
            if (victim == sequence)
                return false;
        }

        return true;
    }

    // Memory that lies free between pages in use is of no use to an index, and comes together when all are given back.
    private bool MayComeAgain(Sequence sequence, int rows)
    {
        if (_cache.Pool.Memory.IsHeldElsewhere)
            return true;
        var isTornApart = _cache.Pool.HoleBytes > _cache.Pool.SlabBytes && sequence.GaveWayRows < rows;
        sequence.GaveWayRows = rows;
        return isTornApart;
    }

    private KvasirException OutOfMemory(Sequence sequence, int rows) => new(
        KvasirError.KvMemoryExceeded,
        $"the KV memory of {MessageText.Count(_bytes.LimitBytes, "byte")} holds {MessageText.Count(_bytes.TokensThatFit(sequence.Attention!.Policy), "token")}, and the sequence has come to {rows} ({sequence.PromptCount} of prompt): "
        + $"{_bytes.Pages(rows)} bytes of pages and {IndexBytes(sequence, rows)} of indexes");

    private long IndexBytes(Sequence sequence, int rows) =>
        _bytes.Index(sequence.Attention!.Policy, sequence.PrefillCount, rows, sequence.TakeBack, sequence.Attention.PrefixRows);
}
