using System.Runtime.InteropServices;
using Kvasir.Attention;
using Kvasir.Cache;

namespace Kvasir;

/// <summary>
/// Decides who computes next: one row for each running sequence that decodes, then prompt rows, oldest request first, up to the
/// rows of a batch. Pages are taken here, before anything is computed; when they run short the youngest sequence gives its own
/// back and waits to be computed again.
/// </summary>
internal sealed class Scheduler
{
    private readonly Queue<Sequence> _waiting = new();
    private readonly List<Sequence> _preempted = [];
    private readonly List<Sequence> _running;
    private readonly List<Sequence> _chosen;
    private readonly KvCache _cache;
    private readonly EngineOptions _options;

    /// <param name="options">How many sequences may compute side by side, how many may wait, and which rows go first.</param>
    public Scheduler(KvCache cache, EngineOptions options)
    {
        (_cache, _options) = (cache, options);
        _running = new List<Sequence>(options.MaxSequences);
        _chosen = new List<Sequence>(options.MaxSequences);
    }

    public int WaitingCount => _waiting.Count + _preempted.Count;

    public int RunningCount => _running.Count;

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
        DropOver();
        Admit();
        if (_options.PromptsFirst)
            AddPrompts(batch, preempts: false);
        if (_options.PromptsFirst && batch.RowCount > 0)
            return;
        AddDecoding(batch);
        AddPrompts(batch, preempts: true);
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
        while (_running.Count < _options.MaxSequences && TryTakeWaiting(out var sequence))
        {
            try
            {
                Start(sequence);
                _running.Add(sequence);
            }
            catch (Exception fault)
            {
                sequence.MarkFault(fault);
                sequence.End(FinishReason.Failed);
            }
        }
    }

    private void Start(Sequence sequence)
    {
        var attention = sequence.Attention!;
        // First, since a policy may fail, and then what is shared stays where it is.
        attention.MakeIndexes();
        var reusedCount = ReusableRows(sequence);
        var rows = Math.Max(sequence.TokenLimit, (int)Math.Min(sequence.Shared?.LimitTokens ?? 0, _cache.TokenLimit + 2));
        attention.Begin(reusedCount > 0 ? sequence.Shared!.Take() : _cache.Open(rows), sequence.PrefillCount, reusedCount);
    }

    // Whoever was preempted goes first: it has waited longest. Nobody enters while the pages for the prompt are not free, or two
    // prompts would take turns in evicting each other.
    private bool TryTakeWaiting(out Sequence sequence)
    {
        var again = _preempted.Count > 0;
        if (!(again ? (sequence = _preempted[0]) is not null : _waiting.TryPeek(out sequence!)))
            return false;
        var pages = _cache.HeadCount * (KvHead.PagesFor(sequence.TokenCount + 1) - KvHead.PagesFor(ReusableRows(sequence)));
        if (_running.Count > 0 && pages > _cache.Pool.PagesLeft - PagesPromised())
            return false;
        if (again)
            _preempted.RemoveAt(0);
        else
            _waiting.Dequeue();
        return true;
    }

    private int ReusableRows(Sequence sequence) =>
        sequence.Shared is { } shared && !shared.IsElsewhere(_cache) && shared.HasRowsFor(sequence) ? shared.TokenCount : 0;

    // Pages that running prompts have not taken yet but will.
    private long PagesPromised()
    {
        var pages = 0L;
        foreach (var sequence in _running)
            pages += sequence.Attention!.Cache!.PagesMissing(sequence.TokenCount);
        return pages;
    }

    private void AddDecoding(Batch batch)
    {
        for (var i = 0; i < _running.Count; i++)
        {
            var sequence = _running[i];
            if (sequence.CachedCount < sequence.PrefillCount || batch.RowsLeft == 0)
                continue;
            // Preempts from the young end, so nobody whom the batch already has.
            if (sequence.Attention!.Cache!.TryReserve(sequence.CachedCount + 1) || TryPreemptFor(sequence, sequence.CachedCount + 1))
                Add(batch, sequence, 1);
        }
    }

    private void AddPrompts(Batch batch, bool preempts)
    {
        for (var i = 0; i < _running.Count && batch.RowsLeft > 0; i++)
        {
            var sequence = _running[i];
            if (sequence.CachedCount >= sequence.PrefillCount)
                continue;
            var rows = Math.Min(batch.RowsLeft, sequence.PrefillCount - sequence.CachedCount);
            // A prompt waits while others make progress; only when nobody does is somebody preempted for it.
            var reserved = sequence.Attention!.Cache!.TryReserve(sequence.CachedCount + rows)
                || (preempts && batch.RowCount == 0 && TryPreemptFor(sequence, sequence.CachedCount + rows));
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

    // The youngest gives way, in the end the sequence itself; one that is alone and still short can never go on.
    private bool TryPreemptFor(Sequence sequence, int rows)
    {
        while (!sequence.Attention!.Cache!.TryReserve(rows))
        {
            var victim = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            if (_running.Count == 0)
            {
                victim.End(FinishReason.Failed, OutOfPages(victim, rows));
                return false;
            }

            victim.Release();
            _preempted.Insert(0, victim);
            if (victim == sequence)
                return false;
        }

        return true;
    }

    private KvasirException OutOfPages(Sequence sequence, int rows) => new(
        KvasirError.KvMemoryExceeded,
        $"the KV memory holds {_cache.TokenLimit} tokens, and the sequence has come to {rows} ({sequence.PromptCount} of prompt)");
}
