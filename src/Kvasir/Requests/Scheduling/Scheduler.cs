using System.Runtime.InteropServices;
using Kvasir.Attention.Batches;
using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Models.Configs;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// Decides who computes next: one row for each running sequence that decodes, then as many rows of prompts as the time of a step allows
/// (<see cref="PromptBudget"/>, <see cref="PromptShares"/>). One whose index is being built has none. Memory for pages and indexes is taken here, before
/// anything is computed; when it runs short a sequence gives its own back and waits to be computed again.
/// </summary>
internal sealed class Scheduler
{
    private readonly List<Sequence> _running;
    private readonly List<Sequence> _chosen;
    private readonly StepPrompts _prompts;
    private readonly KvCache _cache;
    private readonly SharedIndexes _shared;
    private readonly SequenceBytes _bytes;
    private readonly EngineOptions _options;
    private readonly Admission _admission;
    private readonly StoredPrefixes _stored;
    private readonly Preemption _preemption;

    /// <param name="shared">What the indexes of all sequences share.</param>
    /// <param name="bytes">What a sequence takes, for refusals.</param>
    /// <param name="options">How many sequences may compute side by side, how many may wait, and which rows go first.</param>
    /// <param name="stored">What sequences find beyond memory, and leave there.</param>
    public Scheduler(KvCache cache, SharedIndexes shared, Admission admission, SequenceBytes bytes, StoredPrefixes stored, EngineOptions options)
    {
        (_cache, _shared, _bytes, _stored, _options) = (cache, shared, bytes, stored, options);
        (_running, _chosen) = (new(options.MaxSequences), new(options.MaxSequences));
        (_admission, _prompts) = (admission, new StepPrompts(options));
        Waiting = new WaitingQueue(options.Queue, options.Time, options.MaxSequencesPerClient);
        _preemption = new Preemption(cache, Waiting, stored, Counts, _running, _prompts.Budget);
    }

    /// <summary>Those that wait; for any thread.</summary>
    public WaitingQueue Waiting { get; }

    public StepCounts Counts { get; } = new();

    public int WaitingCount => Waiting.Count + Waiting.PreemptedCount;

    public int RunningCount => _running.Count;

    public ReadOnlySpan<Sequence> Running => CollectionsMarshal.AsSpan(_running);

    /// <summary>Whether all that wait do so for memory that others have, and nobody computes.</summary>
    public bool AwaitsMemory { get; private set; }

    /// <summary>Whose rows the batch has, segment by segment.</summary>
    public ReadOnlySpan<Sequence> Chosen => CollectionsMarshal.AsSpan(_chosen);

    /// <summary>Fills <paramref name="batch"/> with the next step's rows. It stays empty when there is nothing to do.</summary>
    public void Next(Batch batch)
    {
        Clear(batch);
        AwaitsMemory = false;
        Waiting.DropLate();
        MarkLate();
        DropOver();
        Admit(batch);
        _stored.Take();
        if (_options.PromptsFirst)
            AddPrompts(batch, preempts: false);
        if (_options.PromptsFirst && (batch.RowCount > 0 || IsAnyIndexing))
            return;
        // Whoever gives way may have had rows in the batch.
        while (!TryAddDecoding(batch))
            Clear(batch);
        AddPrompts(batch, preempts: true);
        if (batch.RowCount == 0 && !IsAnyIndexing)
            _stored.Wait();
    }

    /// <summary>Counts the rows of a batch that was computed, before tokens are drawn.</summary>
    public void Count(Batch batch)
    {
        Counts.BeginStep();
        for (var i = 0; i < _chosen.Count; i++)
            _chosen[i].Ticket.Client!.Charge(Counts.Add(batch.Segments[i], _chosen[i]));
    }

    /// <summary>Learns how long a step took, without what indexes took.</summary>
    public void Observe(double ms)
    {
        Counts.EndStep(ms);
        _prompts.Budget.Observe(Counts.LastDecodeRows, Counts.LastPromptRows, Counts.LastPromptDepth, ms);
    }

    /// <summary>What goes on; for any thread.</summary>
    public EngineFigures Figures(long stepFaults) => new()
    {
        Running = _running.Count,
        Waiting = Waiting.Count,
        Preempted = Waiting.PreemptedCount,
        WaitingTokens = Waiting.Tokens,
        LateWaiting = Waiting.LateCount,
        LastDecodeRows = Counts.LastDecodeRows,
        LastPromptRows = Counts.LastPromptRows,
        LastStepMs = Counts.LastMs,
        PromptRowsBudget = Counts.PromptRowsBudget,
        Steps = Counts.Steps,
        StepMs = Counts.StepMs,
        StepsByTime = Counts.ByTime,
        StepsByRows = Counts.ByRows,
        DecodeRows = Counts.DecodeRows,
        PromptRows = Counts.PromptRows,
        Preemptions = Counts.Preemptions,
        RecomputedRows = Counts.RecomputedRows,
        DeletedRows = Counts.DeletedRows,
        LateRunning = Counts.LateRunning,
        StepFaults = stepFaults,
        Clients = Waiting.Clients.Figures(),
    };

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

    /// <summary>Ends a running sequence.</summary>
    public void End(Sequence sequence, FinishReason reason, KvasirException? failure = null)
    {
        _running.Remove(sequence);
        Waiting.Leave(sequence);
        _stored.Leave(sequence, isWritten: reason != FinishReason.Failed);
        sequence.End(reason, failure);
    }

    /// <summary>Ends those that run and that nobody waits for any more, or that have a fault of their own.</summary>
    public void DropOver()
    {
        for (var i = _running.Count - 1; i >= 0; i--)
        {
            if (_running[i].IsOver && !_preemption.TryComputeAgain(_running[i]))
                End(_running[i], FinishReason.Cancelled);
        }
    }

    /// <summary>Ends everything with <paramref name="failure"/>: the engine cannot go on.</summary>
    public void FailAll(KvasirException failure)
    {
        FailRunning(failure);
        Waiting.FailAll(failure);
    }

    /// <summary>Ends those that compute with <paramref name="failure"/>: a step of theirs is lost.</summary>
    public void FailRunning(KvasirException failure)
    {
        while (_running.Count > 0)
            End(_running[^1], FinishReason.Failed, failure);
    }

    private void Clear(Batch batch)
    {
        batch.Clear();
        _chosen.Clear();
    }

    // Those that compute are told as if somebody else had ended them.
    private void MarkLate()
    {
        foreach (var sequence in _running)
        {
            if (sequence.IsOver || Waiting.NowMs - sequence.Ticket.ArrivedMs < sequence.Ticket.DeadlineMs)
                continue;
            Counts.CountLate();
            var place = $"behind {MessageText.Count(sequence.GeneratedCount, "token")} of the answer";
            sequence.MarkFault(sequence.Ticket.TooLate(Waiting.NowMs - sequence.Ticket.ArrivedMs, place));
        }
    }

    private void Admit(Batch batch)
    {
        while (WaitingCount > 0)
        {
            WaitReason? full = _running.Count >= _options.MaxSequences ? WaitReason.Place : HasEnoughPrompts(batch) ? WaitReason.Prompts : null;
            if (full is { } reason)
            {
                Waiting.Block(reason);
                return;
            }

            if (Waiting.Claim() is not { } sequence || !TryAdmit(sequence))
                return;
        }
    }

    // Unfinished prompts hold memory that nobody has an answer from. Those that the next step finishes are not meant.
    private bool HasEnoughPrompts(Batch batch)
    {
        if (_options.PromptsFirst || _running.Count < _options.MaxPrefills)
            return false;
        _prompts.Collect(_running, Waiting.NowMs);
        var decoding = 0;
        foreach (var sequence in _running)
            decoding += sequence.IsDecoding ? 1 : 0;
        return _prompts.Count >= _options.MaxPrefills && _prompts.RowsLeft > _prompts.Rows(batch.MaxRows - decoding, decoding > 0);
    }

    // False when others have to wait behind it.
    private bool TryAdmit(Sequence sequence)
    {
        try
        {
            var resumes = sequence.HasRows;
            if (resumes ? Admission.TryResume(sequence, _running) : _admission.TryEnter(sequence, _running))
            {
                Waiting.Admit();
                _running.Add(sequence);
                if (!resumes)
                    _stored.Begin(sequence);
                return true;
            }
        }
        catch (Exception fault)
        {
            sequence.MarkFault(fault);
        }

        // Somebody will give back; when nobody else has anything, nobody will.
        if (!sequence.IsOver && (_running.Count > 0 || _cache.Pool.Memory.IsHeldElsewhere))
        {
            AwaitsMemory = _running.Count == 0;
            Waiting.PutBack(WaitReason.Memory);
            return false;
        }

        if (sequence.IsOver)
            Waiting.EndClaimed(FinishReason.Cancelled, null);
        else
            Waiting.EndClaimed(MemoryEnd(sequence), sequence.GeneratedCount > 0 ? null : OutOfMemory(sequence, sequence.TokenCount));
        return true;
    }

    private bool IsAnyIndexing => _running.Exists(static sequence => sequence.Attention!.IsIndexing);

    // False when somebody gave way, whose rows the batch may have.
    private bool TryAddDecoding(Batch batch)
    {
        // Behind a row, and one of logits, for everyone.
        var spare = Math.Min(batch.MaxRows, batch.MaxLogitRows) - _running.Count;
        for (var i = 0; i < _running.Count; i++)
        {
            var sequence = _running[i];
            if (!sequence.IsDecoding || batch.RowsLeft == 0)
                continue;
            var (candidates, running) = (Candidates(sequence, spare), _running.Count);
            var reserved = candidates > 0 || sequence.Attention!.TryReserve(sequence.CachedCount + 1) || TryPreemptFor(sequence, sequence.CachedCount + 1);
            if (_running.Count < running)
                return false;
            if (!reserved)
                continue;
            sequence.Timings.MarkDecoding();
            batch.Add(sequence.Attention!, sequence.NewestWith(candidates), 1 + candidates);
            _chosen.Add(sequence);
            spare -= candidates;
        }

        return true;
    }

    // Whose memory is reserved. Nobody is to be preempted for a guess: everyone could grow by a page.
    private int Candidates(Sequence sequence, int most)
    {
        if (sequence.Attention!.TakeBack.Marks == 0 || most <= 0 || !_cache.Pool.HasRoom((long)_cache.HeadCount * _running.Count, 0))
            return 0;
        var count = sequence.Guesses.Propose(sequence, most);
        return count > 0 && sequence.Attention!.TryReserve(sequence.CachedCount + 1 + count) ? count : 0;
    }

    private void AddPrompts(Batch batch, bool preempts)
    {
        foreach (var sequence in _running)
        {
            if (sequence.IsPrefilling)
                PrefixReuse.TrySkip(sequence);
        }

        _stored.Tend(_running);
        _prompts.Collect(_running, Waiting.NowMs);
        _prompts.HoldBack();
        _prompts.Divide(batch.RowsLeft, besideDecoding: batch.RowCount > 0);
        Counts.PromptRowsBudget = _prompts.RowsAllowed;
        for (var i = 0; i < _prompts.Count; i++)
        {
            var (sequence, rows) = _prompts.Share(i);
            if (rows == 0 || !sequence.IsPrefilling)
                continue;
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

    // One that is alone and still short can never go on, unless others have what is missing.
    private bool TryPreemptFor(Sequence sequence, int rows)
    {
        while (!sequence.Attention!.TryReserve(rows))
        {
            // What nobody uses goes before anybody does.
            if (_shared.Trim() || _stored.Yield() || _preemption.TryTakeRows())
                continue;
            // Of whoever gave way last: it comes when its rows are written.
            if (_stored.IsWriting)
                return false;
            var isAlone = _running.Count == 1;
            if (isAlone && !MayComeAgain(sequence, rows))
            {
                End(sequence, MemoryEnd(sequence), sequence.GeneratedCount > 0 ? null : OutOfMemory(sequence, rows));
                return false;
            }

            if ((isAlone ? sequence : _preemption.Victim()) is not { } victim)
                return false;
            victim.Ticket.Preemptions += isAlone ? 0 : 1;
            _preemption.GiveWay(victim);
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
        var isTornApart = _cache.Pool.HoleBytes > _cache.Pool.SlabBytes && sequence.Ticket.GaveWayRows < rows;
        sequence.Ticket.GaveWayRows = rows;
        return isTornApart;
    }

    // An answer that has begun is sound as far as it goes.
    private static FinishReason MemoryEnd(Sequence sequence) => sequence.GeneratedCount > 0 ? FinishReason.KvFull : FinishReason.Failed;

    private KvasirException OutOfMemory(Sequence sequence, int rows) => new(
        KvasirError.KvMemoryExceeded,
        $"the KV memory of {MessageText.Count(_bytes.LimitBytes, "byte")} holds "
        + $"{MessageText.Count(_bytes.TokensThatFit(sequence.Attention!.Policy), "token")}, "
        + $"and the sequence has come to {rows} ({sequence.PromptCount} of prompt): "
        + $"{_bytes.Pages(rows)} bytes of pages and {IndexBytes(sequence, rows)} of indexes{_cache.Prefixes.PinnedNote}");

    private long IndexBytes(Sequence sequence, int rows) =>
        _bytes.Index(sequence.Attention!.Policy, sequence.PrefillCount, rows, sequence.TakeBack, sequence.Attention.PrefixRows);
}
