using Kvasir.Attention.Batches;
using Kvasir.Attention;
using Kvasir.Cache;

namespace Kvasir.Requests.Scheduling;

/// <summary>Whether there is memory for a sequence to begin with, and how it begins.</summary>
/// <param name="shared">What the indexes of all sequences share.</param>
/// <param name="prefixes">What sequences find when they come.</param>
/// <param name="stored">What keeps memory until it is written elsewhere.</param>
internal sealed class Admission(KvCache cache, SharedIndexes shared, PrefixReuse prefixes, StoredPrefixes stored)
{
    /// <summary>Rows of each running sequence's answer that are kept free when another enters, so that they do not give way to each other soon.</summary>
    private const int RowsAhead = 256;

    /// <summary>How long rows that wait to be written elsewhere may keep one out who would have their memory.</summary>
    private const double WritingMs = 2000;

    /// <summary>Rows that are free beyond its own when a preempted sequence comes again.</summary>
    private const int RowsAfterPreemption = 64;

    /// <summary>Begins with what is there of its rows. False, with nothing taken, when memory is short.</summary>
    public bool TryEnter(Sequence sequence, List<Sequence> running)
    {
        prefixes.Enter(sequence);
        if (HasRoom(sequence, running) && TryStart(sequence, isAlone: running.Count == 0))
            return true;
        sequence.Prefix?.Leave();
        return false;
    }

    /// <summary>A sequence that waited with its rows on file goes on. False, with nothing taken, when memory is short.</summary>
    public static bool TryResume(Sequence sequence, List<Sequence> running)
    {
        var (rows, held) = (RowsToEnter(sequence, isAlone: running.Count == 0), 0L);
        foreach (var other in running)
            held += other.Attention!.Cache!.PagesToHold((int)Math.Min(other.TokenCount + (long)RowsAhead, Math.Max(other.TokenCount, other.TokenLimit)));
        var own = sequence.Attention!.Cache!;
        if (!own.TryHold(rows, held))
            return false;
        if (sequence.Attention.TryReserve(rows))
            return true;
        own.Let();
        return false;
    }

    // Whether all that a sequence would compute fits beside what the running ones are about to take: its whole prompt but for what is there, and a row. What
    // is held by nobody who computes makes room. Pages for an answer are not kept: it may end early.
    private bool HasRoom(Sequence sequence, List<Sequence> running)
    {
        var (attention, prefix) = (sequence.Attention!, SharedPath(sequence));
        var reused = sequence.Prefix?.RowCount ?? 0;
        var rows = RowsToEnter(sequence, isAlone: running.Count == 0);
        var pages = cache.PagesBetween(reused, rows);
        var held = cache.PagesHeld(attention.Policy.SettledRowsAt, rows, isAlone: running.Count == 0);
        var bytes = cache.OpenPageBytes + attention.IndexBytesMissing(rows, sequence.PrefillCount, sharesPrefix: prefix is not null);
        foreach (var other in running)
        {
            var ahead = (int)Math.Min(other.TokenCount + (long)RowsAhead, Math.Max(other.TokenCount, other.TokenLimit));
            pages += other.Attention!.Cache!.PagesMissing(ahead);
            held += other.Attention.Cache.PagesToHold(ahead);
            bytes += other.Attention.IndexBytesMissing(ahead);
        }

        return cache.Pool.HasRoom(pages, bytes + shared.BytesMissing(attention.Policy, prefix), held)
            || ((shared.Trim() | (running.Count == 0 ? stored.YieldAll() : stored.Yield(WritingMs)))
                && cache.Pool.HasRoom(pages, bytes + shared.BytesMissing(attention.Policy, prefix), held));
    }

    // False, with nothing taken, when memory is short.
    private bool TryStart(Sequence sequence, bool isAlone)
    {
        var attention = sequence.Attention!;
        var path = SharedPath(sequence);
        if (shared.TryTake(attention.Policy) is not { } own)
            return false;
        var prefix = path is null ? null : shared.TryTake(attention.Policy, path, own);
        if (path is not null && prefix is null)
            return false;
        // First, since a policy may fail, and then what is shared stays where it is.
        attention.MakeIndexes(own, sequence.PrefillCount, prefix);
        if (cache.TryOpen(sequence.TokenLimit, settled: attention.Policy.SettledRowsAt) is not { } opened)
        {
            attention.DropIndexes();
            return false;
        }

        sequence.Enter();
        if (sequence.Prefix is { } found)
            opened.Adopt(found.Columns);
        attention.Begin(opened, sequence.PrefillCount, opened.ReservedRows, sequence.Prefix);
        sequence.MarkFound(opened.ReservedRows);
        if (isAlone || !sequence.Ticket.StaysToItsEnd || attention.TryReserve(RowsToEnter(sequence, isAlone: false)))
            return true;
        sequence.Release();
        return false;
    }

    // Who gave way three times takes all that it may come to, and gives way no more.
    private static int RowsToEnter(Sequence sequence, bool isAlone)
    {
        var most = Math.Max(sequence.TokenCount, sequence.TokenLimit);
        var ahead = isAlone || !sequence.Ticket.HasBegun ? 1 : sequence.Ticket.StaysToItsEnd ? most : RowsAfterPreemption;
        return (int)Math.Min(most, sequence.TokenCount + (long)ahead);
    }

    // Where the rows are kept that it shares with others, if it has all of them: then it shares their index too.
    private static PrefixPath? SharedPath(Sequence sequence) =>
        sequence is { Shared.Path: { Count: > 0 } kept, Prefix: { } own } && own.Count >= kept.Count && own.Columns[kept.Count - 1] == kept.Tip ? kept : null;
}
