using Kvasir.Ground;

namespace Kvasir.Requests;

/// <summary>
/// Sequences that wait to be admitted, new ones and preempted ones, with the order in which they go. Any thread may add, cancel and ask, while the engine's
/// computes: nobody waits for a step. One that is cancelled is gone at once, wherever it stands.
/// </summary>
internal sealed class WaitingQueue
{
    private const double AgeingMs = 30_000;
    private readonly Lock _gate = new();
    private readonly List<Sequence> _sequences = [];
    private readonly PlaceEstimate _places = new();
    private readonly QueueLimits _limits;
    private readonly TimeProvider _time;
    private readonly int _mostRunningPerClient;
    private Sequence? _claimed;
    private KvasirException? _closed;
    private WaitReason _blocked = WaitReason.Place;
    private long _arrivals;
    private long _tokens;
    private long _lateCount;
    private int _count;
    private int _preemptedCount;

    /// <param name="mostRunningPerClient">Of those that have a name.</param>
    public WaitingQueue(QueueLimits limits, TimeProvider time, int mostRunningPerClient) =>
        (_limits, _time, _mostRunningPerClient) = (limits, time, mostRunningPerClient);

    public ClientTurns Clients { get; } = new();

    /// <summary>Sequences that have not begun.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Sequences that have begun and wait for memory.</summary>
    public int PreemptedCount => Volatile.Read(ref _preemptedCount);

    /// <summary>Tokens of prompts that wait.</summary>
    public long Tokens => Volatile.Read(ref _tokens);

    /// <summary>Sequences that were ended while they waited because their time was over.</summary>
    public long LateCount => Volatile.Read(ref _lateCount);

    /// <summary>What the clock shows.</summary>
    public double NowMs => _time.GetTimestamp() * 1000.0 / _time.TimestampFrequency;

    /// <exception cref="KvasirException">A limit is reached; or nothing is accepted any more.</exception>
    public void Add(Sequence sequence)
    {
        using var gate = _gate.EnterScope();
        Require(sequence);
        if (sequence.IsCancelled)
        {
            sequence.End(FinishReason.Cancelled);
            return;
        }

        sequence.Ticket.Enter(this, _arrivals++, NowMs, Clients.Enter(sequence.Options.Client));
        _sequences.Add(sequence);
        Tally(sequence, 1);
        // Cancelled since the look: whoever did so may not have seen the queue.
        Interlocked.MemoryBarrier();
        if (sequence.IsCancelled)
            End(sequence, FinishReason.Cancelled);
    }

    /// <summary>A sequence that has run gave its memory back, and comes again before those that have not begun.</summary>
    public void AddPreempted(Sequence sequence)
    {
        using var gate = _gate.EnterScope();
        sequence.Ticket.Client!.Running--;
        sequence.Ticket.Client.Waiting++;
        _sequences.Add(sequence);
        Tally(sequence, 1);
        if (sequence.IsCancelled)
            End(sequence, FinishReason.Cancelled);
    }

    /// <summary>A sequence that ran has ended.</summary>
    public void Leave(Sequence sequence)
    {
        using var gate = _gate.EnterScope();
        sequence.Ticket.Client!.Running--;
        Clients.Leave(sequence.Ticket.Client);
    }

    /// <summary>
    /// The next to be admitted, which stays where it is until <see cref="Admit"/> or <see cref="PutBack"/>; null when there is none. Who cancels it meanwhile
    /// leaves it to them.
    /// </summary>
    public Sequence? Claim()
    {
        using var gate = _gate.EnterScope();
        var now = NowMs;
        foreach (var sequence in _sequences)
        {
            if (!IsClientFull(sequence) && (_claimed is null || Precedes(sequence, _claimed, now)))
                _claimed = sequence;
        }

        return _claimed;
    }

    /// <summary>The claimed one begins.</summary>
    public void Admit()
    {
        using var gate = _gate.EnterScope();
        var client = _claimed!.Ticket.Client!;
        Remove(_claimed);
        client.Running++;
    }

    /// <summary>The claimed one waits on; or ends, where it is over.</summary>
    public void PutBack(WaitReason reason)
    {
        using var gate = _gate.EnterScope();
        (var sequence, _claimed, _blocked) = (_claimed!, null, reason);
        if (sequence.IsOver)
            End(sequence, FinishReason.Cancelled);
    }

    /// <summary>The claimed one ends.</summary>
    public void EndClaimed(FinishReason reason, KvasirException? failure)
    {
        using var gate = _gate.EnterScope();
        End(_claimed!, reason, failure);
    }

    /// <summary>What the next one waits for, where nobody could be claimed.</summary>
    public void Block(WaitReason reason)
    {
        using var gate = _gate.EnterScope();
        _blocked = reason;
    }

    /// <summary>
    /// Ends a sequence that waits, for it is over. Nothing happens to one that does not wait, or that is about to be admitted; and what has rows is for the
    /// engine's thread: it ends there before the next step.
    /// </summary>
    public void Drop(Sequence sequence)
    {
        using var gate = _gate.EnterScope();
        if (_claimed != sequence && !sequence.HasRows && _sequences.Contains(sequence))
            End(sequence, FinishReason.Cancelled);
    }

    /// <summary>Ends those whose time is over, and those that were cancelled with rows.</summary>
    public void DropLate()
    {
        using var gate = _gate.EnterScope();
        for (var i = _sequences.Count - 1; i >= 0; i--)
        {
            var (sequence, failure) = (_sequences[i], (KvasirException?)null);
            if (sequence is { HasRows: true, IsOver: true })
            {
                End(sequence, FinishReason.Cancelled);
                continue;
            }

            var waitedMs = NowMs - sequence.Ticket.ArrivedMs;
            if (waitedMs >= sequence.Ticket.DeadlineMs)
                failure = sequence.Ticket.TooLate(waitedMs, sequence.Ticket.HasBegun ? "waiting for memory" : "in the queue, and nothing of it was computed");
            else if (!sequence.Ticket.HasBegun && waitedMs >= _limits.Timeout?.TotalMilliseconds)
                failure = Refusal(
                    KvasirError.QueueTimeout,
                    $"waited {Shown(waitedMs)} ms in the queue, where {Shown(_limits.Timeout.Value.TotalMilliseconds)} ms are allowed", _count);
            if (failure is null)
                continue;
            Volatile.Write(ref _lateCount, _lateCount + 1);
            End(sequence, FinishReason.Failed, failure);
        }
    }

    /// <summary>Takes the rows of the youngest that waits with some: it computes them again. False when there is none.</summary>
    public bool TryRelease()
    {
        using var gate = _gate.EnterScope();
        var youngest = _sequences.FindLast(static sequence => sequence.HasRows);
        youngest?.Release();
        return youngest is not null;
    }

    /// <summary>Ends all that wait.</summary>
    public void FailAll(KvasirException failure)
    {
        using var gate = _gate.EnterScope();
        _claimed = null;
        for (var i = _sequences.Count - 1; i >= 0; i--)
            End(_sequences[i], FinishReason.Failed, failure);
    }

    /// <summary>Refuses whatever comes from now on.</summary>
    public void Close(KvasirException reason)
    {
        using var gate = _gate.EnterScope();
        _closed ??= reason;
    }

    /// <summary>Where a sequence stands; null for one that does not wait.</summary>
    public QueuePlace? PlaceOf(Sequence sequence)
    {
        using var gate = _gate.EnterScope();
        if (!_sequences.Contains(sequence))
            return null;
        var (before, now) = (0, NowMs);
        foreach (var other in _sequences)
            before += other != sequence && !IsClientFull(other) && Precedes(other, sequence, now) ? 1 : 0;
        var reason = IsClientFull(sequence) ? WaitReason.ClientPlace : before > 0 ? WaitReason.Turn : _blocked;
        return new QueuePlace(before + 1, _sequences.Count, reason, sequence.Ticket.HasBegun);
    }

    /// <summary>Whether one that runs goes before another: by priority, which its time here raises, then by arrival.</summary>
    public static bool IsBefore(Sequence one, Sequence other, double nowMs)
    {
        var (first, second) = (AgedPriority(one, nowMs), AgedPriority(other, nowMs));
        return first != second ? first < second : one.Ticket.Arrival < other.Ticket.Arrival;
    }

    private static string Shown(double ms) => Math.Round(ms).ToString(System.Globalization.CultureInfo.InvariantCulture);

    private void Require(Sequence sequence)
    {
        if (_closed is not null)
            throw new KvasirException(_closed.Error, _closed.Message, _closed) { RetryAfter = _closed.RetryAfter };
        if (_count >= _limits.Sequences)
            throw Refusal(KvasirError.QueueFull, $"{_count} sequences are waiting, and the queue holds {_limits.Sequences}", 1);
        if (sequence.Options.Client is { } name && Clients.Find(name).Waiting is var own && own >= _limits.SequencesPerClient)
            throw Refusal(
                KvasirError.ClientQueueFull, $"{own} sequences of this client are waiting, and {_limits.SequencesPerClient} may", Clients.ActiveCount);
        if (_count == 0)
            return;
        if (_tokens + sequence.Ticket.Tokens > _limits.Tokens)
            throw Refusal(
                KvasirError.QueueTokensFull, $"{_tokens} prompt tokens are waiting; {sequence.Ticket.Tokens} more are above the limit of {_limits.Tokens}",
                PlacesFor(_tokens + sequence.Ticket.Tokens - _limits.Tokens));
        var (bytes, added) = (_tokens * sizeof(int), (long)sequence.Ticket.Tokens * sizeof(int));
        if (bytes + added > _limits.Bytes)
            throw Refusal(
                KvasirError.QueueBytesFull, $"prompts of {bytes} bytes are waiting; {added} more are above the limit of {_limits.Bytes}",
                PlacesFor((bytes + added - _limits.Bytes) / sizeof(int)));
    }

    private KvasirException Refusal(KvasirError error, string message, int places)
    {
        var oldestMs = _sequences.Count == 0 ? 0 : NowMs - _sequences[0].Ticket.ArrivedMs;
        var retry = _places.RetryAfter(NowMs, places, oldestMs);
        return new KvasirException(error, $"{message}; a place may be free in {retry.TotalSeconds} s") { RetryAfter = retry };
    }

    // Places that have to be left until so many tokens are.
    private int PlacesFor(long tokens)
    {
        var places = 0;
        for (var i = 0; i < _sequences.Count && tokens > 0; i++, places++)
            tokens -= _sequences[i].Ticket.Tokens;
        return Math.Max(1, places);
    }

    private bool IsClientFull(Sequence sequence) =>
        sequence.Ticket.Client is { Name: not null } client && client.Running >= (sequence.Options.MaxClientSequences ?? _mostRunningPerClient);

    // Priority, which waiting raises; those that have begun; the client that had least; arrival.
    private static bool Precedes(Sequence one, Sequence other, double nowMs)
    {
        var (first, second) = (AgedPriority(one, nowMs), AgedPriority(other, nowMs));
        if (first != second)
            return first < second;
        if (one.Ticket.HasBegun != other.Ticket.HasBegun)
            return one.Ticket.HasBegun;
        if (!one.Ticket.HasBegun && one.Ticket.Client != other.Ticket.Client && one.Ticket.Client!.Computed != other.Ticket.Client!.Computed)
            return one.Ticket.Client.Computed < other.Ticket.Client.Computed;
        return one.Ticket.Arrival < other.Ticket.Arrival;
    }

    // Every 30 s of waiting count as a step of priority, so that nobody starves.
    private static double AgedPriority(Sequence sequence, double nowMs) =>
        sequence.Options.Priority - Math.Floor((nowMs - sequence.Ticket.ArrivedMs) / AgeingMs);

    private void End(Sequence sequence, FinishReason reason, KvasirException? failure = null)
    {
        Remove(sequence);
        Clients.Leave(sequence.Ticket.Client!);
        sequence.End(reason, failure);
    }

    private void Remove(Sequence sequence)
    {
        Invariant.Holds(_sequences.Remove(sequence));
        if (_claimed == sequence)
            _claimed = null;
        Tally(sequence, -1);
        sequence.Ticket.Client!.Waiting--;
        _places.Mark(NowMs);
    }

    private void Tally(Sequence sequence, int change)
    {
        if (sequence.Ticket.HasBegun)
            Volatile.Write(ref _preemptedCount, _preemptedCount + change);
        else
            (_count, _tokens) = (_count + change, _tokens + (change * sequence.Ticket.Tokens));
    }
}
