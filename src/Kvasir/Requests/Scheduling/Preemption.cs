using Kvasir.Attention.Batches;
using Kvasir.Cache;

namespace Kvasir.Requests.Scheduling;

/// <summary>
/// Who gives way when memory is short, and with what: where pages of those who compute are held (<see cref="PageEviction.Vllm"/>), one that decodes leaves
/// with its rows on file and goes on when there is memory again; otherwise what it has computed is computed again.
/// </summary>
/// <param name="running">Those that compute.</param>
/// <param name="budget">Knows what rows take.</param>
internal sealed class Preemption(KvCache cache, WaitingQueue waiting, StoredPrefixes stored, StepCounts counts, List<Sequence> running, PromptBudget budget)
{
    private readonly OldestRows _oldest = new(cache.Shape);

    /// <summary>
    /// Of the lowest priority the one that loses least, and of these the youngest. Who gave way three times has all that it will need, or was alone when it
    /// came.
    /// </summary>
    public Sequence? Victim()
    {
        Sequence? victim = null;
        foreach (var sequence in running)
        {
            if (!sequence.Ticket.StaysToItsEnd && (victim is null || GoesBefore(sequence, victim)))
                victim = sequence;
        }

        return victim;
    }

    /// <summary>Takes memory from one that computes, which waits until it has it again.</summary>
    public void GiveWay(Sequence victim)
    {
        // Alone it gives way to whoever shares the machine's memory with this engine.
        var keepsRows = cache.Swaps && running.Count > 1 && victim.IsDecoding && !IsFileFull && !victim.Attention!.Cache!.HasDeleted;
        // Its columns stay until they are written, and nobody else gives way meanwhile.
        var patienceMs = keepsRows || running.Count == 1 ? 0 : stored.PatienceMs(victim, budget.RowMs(victim.CachedCount / 2));
        Leave(victim, keepsRows, patienceMs);
        ComeAgain(victim);
    }

    /// <summary>Has a sequence compute again what its file cannot give back: once, since that may fail for ever. False where it has to end.</summary>
    public bool TryComputeAgain(Sequence sequence)
    {
        if (sequence.IsCancelled || sequence.Ticket.HasLostRows || sequence.Fault is not KvasirException { IsOfLostRows: true })
            return false;
        sequence.Ticket.HasLostRows = true;
        // The prefix cache hears of the fault, whoever waits does not.
        Leave(sequence, keepsRows: false, patienceMs: 0);
        sequence.Interruption.ForgetFault();
        ComeAgain(sequence);
        return true;
    }

    /// <summary>
    /// Makes room on a file that is full: the oldest rows go of the longest that can do without them, or all of one that waits with its rows. False when there
    /// is nothing to take.
    /// </summary>
    public bool TryTakeRows() => cache.Swaps && IsFileFull && (TryDelete() || waiting.TryRelease());

    private void Leave(Sequence sequence, bool keepsRows, double patienceMs)
    {
        running.Remove(sequence);
        counts.CountPreemption();
        stored.Leave(sequence, isWritten: patienceMs > 0, patienceMs);
        if (keepsRows)
            sequence.Attention!.Cache!.Let();
        else
            sequence.Release();
        cache.Pool.Trim();
    }

    private void ComeAgain(Sequence sequence)
    {
        sequence.Ticket.HasBegun = true;
        sequence.Timings.MarkPreemption();
        waiting.AddPreempted(sequence);
    }

    private bool TryDelete()
    {
        Sequence? longest = null;
        foreach (var sequence in running)
        {
            if (_oldest.MayDelete(sequence.Attention!) && (longest is null || sequence.CachedCount > longest.CachedCount))
                longest = sequence;
        }

        if (longest is null || !_oldest.TryDelete(longest.Attention!))
            return false;
        counts.CountDeleted(PagePool.PageTokens);
        return true;
    }

    private bool IsFileFull => cache.Pool.PagesLeft < cache.HeadCount;

    private static bool GoesBefore(Sequence one, Sequence other)
    {
        if (one.Options.Priority != other.Options.Priority)
            return one.Options.Priority > other.Options.Priority;
        return one.CachedCount != other.CachedCount ? one.CachedCount < other.CachedCount : one.Ticket.Arrival > other.Ticket.Arrival;
    }
}
