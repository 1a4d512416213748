using CsCheck;
using Kvasir.Requests;

namespace Kvasir.Test.Requests.Scheduling;

/// <summary>
/// The queue under requests that come, are cancelled, run, give way and end in any order while time passes, held against a list of what waits and the rules as one
/// would say them: who goes next, who is refused and why, whose time is over.
/// </summary>
public sealed class QueueHistoryTest
{
    private const int MostRunning = 3;
    private const int MostRunningPerClient = 2;
    private static readonly QueueLimits Limits = new() { Sequences = 6, SequencesPerClient = 3, Tokens = 200, Bytes = 600, Timeout = TimeSpan.FromSeconds(300) };
    private static readonly string?[] Clients = [null, "a", "b", "c"];
    private readonly HashSet<KvasirError> _refused = [];
    private readonly HashSet<KvasirError> _late = [];
    private int _aged;

    private enum Act
    {
        Enqueue,
        EnqueueUrgent,
        Cancel,
        CancelClaimed,
        Wait,
        WaitLong,
        Admit,
        Admit2,
        PutBack,
        Charge,
        Preempt,
        Finish,
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void ItIsWhatTheRulesSayWhateverHappens()
    {
        var act = Gen.Select(Gen.Enum<Act>(), Gen.Int[0, 11], Gen.Int[0, 60]);
        act.Array[1, 120].Sample(Play, iter: 2000, threads: 1);
        Assert.True(
            _refused.Count == 4 && _late.Count == 2 && _aged > 0,
            $"refused for {string.Join(", ", _refused)}, late by {string.Join(", ", _late)}, {_aged} went for their age: this shows less than it says");
    }

    private void Play((Act Act, int Who, int Count)[] acts)
    {
        var world = new World();
        foreach (var (act, who, count) in acts)
        {
            switch (act)
            {
                case Act.Enqueue: Enqueue(world, who, count, priority: 0); break;
                case Act.EnqueueUrgent: Enqueue(world, who, count, priority: (count % 5) - 2); break;
                case Act.Cancel: world.Cancel(world.Any(Place.Waiting, who)); break;
                case Act.CancelClaimed: world.CancelClaimed(); break;
                case Act.Wait: world.Wait(TimeSpan.FromMilliseconds(100 * count)); break;
                case Act.WaitLong: world.Wait(TimeSpan.FromSeconds(2 * count)); break;
                case Act.Admit or Act.Admit2: _aged += world.Admit() ? 1 : 0; break;
                case Act.PutBack: world.PutBack(); break;
                case Act.Charge: World.Charge(world.Any(Place.Running, who), count); break;
                case Act.Preempt: world.Preempt(world.Any(Place.Running, who)); break;
                case Act.Finish: world.Finish(world.Any(Place.Running, who)); break;
            }

            _late.UnionWith(world.DropLate());
            world.Check();
        }

        // Whoever is left goes too, in order.
        while (world.Admit() || world.Any(Place.Running, 0) is not null)
        {
            world.Finish(world.Any(Place.Running, 0));
            world.Check();
        }

        Assert.Equal(0, world.Queue.Count + world.Queue.PreemptedCount);
    }

    private void Enqueue(World world, int who, int count, int priority)
    {
        TimeSpan? deadline = who % 3 == 0 ? TimeSpan.FromSeconds(3 * count) : null;
        if (world.Enqueue(Clients[who % Clients.Length], priority, tokens: 1 + count, deadline) is { } refusal)
            _refused.Add(refusal);
    }

    private enum Place
    {
        Waiting,
        Running,
        Ended,
    }

    /// <summary>A request as the rules know it.</summary>
    private sealed class Entry
    {
        public required Sequence Sequence { get; init; }

        public required Account Client { get; init; }

        public required int Arrival { get; init; }

        public required double CameMs { get; init; }

        public required double DeadlineMs { get; init; }

        public required int Priority { get; init; }

        public required int Tokens { get; init; }

        public bool HasBegun { get; set; }

        /// <summary>Higher for those that came, or came again, later.</summary>
        public required int Queued { get; set; }

        public Place Place { get; set; }

        public (FinishReason Reason, KvasirError? Error) End { get; set; }
    }

    private sealed class Account
    {
        public long Computed { get; set; }
    }

    /// <summary>The queue, and what it should be.</summary>
    private sealed class World
    {
        private readonly VirtualTime _time = new();
        private readonly List<Entry> _entries = [];
        private readonly Dictionary<string, Account> _accounts = [];
        private double _nowMs;
        private long _leftAt;
        private int _queued;

        public World() => Queue = new WaitingQueue(Limits, _time, MostRunningPerClient);

        public WaitingQueue Queue { get; }

        private IEnumerable<Entry> Waiting => _entries.Where(static entry => entry.Place == Place.Waiting);

        public Entry? Any(Place place, int who)
        {
            Entry[] all = [.. _entries.Where(entry => entry.Place == place)];
            return all.Length == 0 ? null : all[who % all.Length];
        }

        public KvasirError? Enqueue(string? client, int priority, int tokens, TimeSpan? deadline)
        {
            var expected = Refusal(client, tokens);
            var deadlineMs = deadline?.TotalMilliseconds ?? double.PositiveInfinity;
            var sequence = new Sequence(new int[tokens], new GenerationOptions { Client = client, Priority = priority });
            sequence.BeginSubmission(512, new EngineOptions { Time = _time });
            sequence.Ticket = new Ticket { DeadlineMs = deadlineMs, Tokens = tokens };
            KvasirError? refusal = null;
            try
            {
                Queue.Add(sequence);
            }
            catch (KvasirException problem)
            {
                Assert.InRange(problem.RetryAfter!.Value.TotalSeconds, 1, 60);
                refusal = problem.Error;
            }

            Assert.Equal(expected, refusal);
            if (refusal is not null)
                return refusal;
            if (!_accounts.TryGetValue(client ?? "", out var account))
                _accounts[client ?? ""] = account = new Account();
            // Nobody saves turns up by staying away.
            if (!IsActive(account))
                account.Computed = Math.Max(account.Computed, _accounts.Values.Where(IsActive).Select(static active => (long?)active.Computed).Min() ?? _leftAt);
            _entries.Add(new Entry
            {
                Sequence = sequence,
                Client = account,
                Arrival = _entries.Count,
                CameMs = _nowMs,
                DeadlineMs = deadlineMs,
                Priority = priority,
                Tokens = tokens,
                Queued = _queued++,
            });
            return null;
        }

        public void Cancel(Entry? entry)
        {
            if (entry is null)
                return;
            entry.Sequence.Cancel();
            End(entry, FinishReason.Cancelled);
        }

        // Whoever cancels it leaves it to those who have it.
        public void CancelClaimed()
        {
            if (_entries.Count(static entry => entry.Place == Place.Running) == MostRunning || Next() is not { } next)
                return;
            Assert.Same(next.Sequence, Queue.Claim());
            next.Sequence.Cancel();
            Assert.Equal(FinishReason.None, next.Sequence.Finish);
            Queue.PutBack(WaitReason.Memory);
            End(next, FinishReason.Cancelled);
        }

        public void Wait(TimeSpan time)
        {
            _time.Advance(time);
            _nowMs += time.TotalMilliseconds;
        }

        /// <returns>Whether one entered that its age has put before another one.</returns>
        public bool Admit()
        {
            if (_entries.Count(static entry => entry.Place == Place.Running) == MostRunning)
                return false;
            var next = Next();
            Assert.Same(next?.Sequence, Queue.Claim());
            if (next is null)
                return false;
            var isForItsAge = Waiting.Any(entry => entry.Priority < next.Priority);
            Queue.Admit();
            next.Place = Place.Running;
            return isForItsAge;
        }

        public void PutBack()
        {
            var next = Next();
            Assert.Same(next?.Sequence, Queue.Claim());
            if (next is not null)
                Queue.PutBack(WaitReason.Memory);
        }

        public static void Charge(Entry? entry, int tokens)
        {
            if (entry is null)
                return;
            entry.Sequence.Ticket.Client!.Charge(tokens);
            entry.Client.Computed += tokens;
        }

        public void Preempt(Entry? entry)
        {
            if (entry is null)
                return;
            entry.Sequence.Ticket.HasBegun = entry.HasBegun = true;
            Queue.AddPreempted(entry.Sequence);
            (entry.Place, entry.Queued) = (Place.Waiting, _queued++);
        }

        public void Finish(Entry? entry)
        {
            if (entry is null)
                return;
            Queue.Leave(entry.Sequence);
            entry.Sequence.End(FinishReason.Length);
            End(entry, FinishReason.Length);
        }

        public List<KvasirError> DropLate()
        {
            Queue.DropLate();
            List<KvasirError> errors = [];
            // The newest is told first, so that where nobody is left turns go on from the oldest one's client.
            foreach (var entry in Waiting.OrderByDescending(static entry => entry.Queued).ToArray())
            {
                KvasirError? error = _nowMs - entry.CameMs >= entry.DeadlineMs ? KvasirError.DeadlineExceeded
                    : !entry.HasBegun && _nowMs - entry.CameMs >= Limits.Timeout!.Value.TotalMilliseconds ? KvasirError.QueueTimeout : null;
                if (error is not { } late)
                    continue;
                errors.Add(late);
                End(entry, FinishReason.Failed, late);
            }

            return errors;
        }

        public void Check()
        {
            var fresh = Waiting.Where(static entry => !entry.HasBegun).ToArray();
            Assert.Equal((fresh.Length, fresh.Sum(static entry => (long)entry.Tokens)), (Queue.Count, Queue.Tokens));
            Assert.Equal(Waiting.Count(static entry => entry.HasBegun), Queue.PreemptedCount);
            foreach (var entry in _entries)
            {
                Assert.Equal(entry.End, (entry.Sequence.Finish, entry.Sequence.Failure?.Error));
                Assert.Equal(entry.Place == Place.Waiting ? PlaceOf(entry) : null, Queue.PlaceOf(entry.Sequence)?.Position);
            }

            var active = _accounts.Where(account => IsActive(account.Value)).Select(static account => (account.Key, account.Value.Computed)).Order();
            Assert.Equal(active, Queue.Clients.Figures().Select(static client => (client.Name ?? "", client.TurnTokens)).Order());
        }

        private KvasirError? Refusal(string? client, int tokens)
        {
            var fresh = Waiting.Where(static entry => !entry.HasBegun).ToArray();
            var waitingTokens = fresh.Sum(static entry => entry.Tokens);
            return fresh.Length >= Limits.Sequences ? KvasirError.QueueFull
                : client is not null && _accounts.TryGetValue(client, out var account) && Waiting.Count(entry => entry.Client == account) >= Limits.SequencesPerClient
                    ? KvasirError.ClientQueueFull
                : fresh.Length == 0 ? null
                : waitingTokens + tokens > Limits.Tokens ? KvasirError.QueueTokensFull
                : 4 * (waitingTokens + tokens) > Limits.Bytes ? KvasirError.QueueBytesFull
                : null;
        }

        // Priority, which half a minute of waiting raises by one; who has run; the client that had least; arrival.
        private (double, bool, long, int) Turn(Entry entry) =>
            (entry.Priority - Math.Floor((_nowMs - entry.CameMs) / 30_000), !entry.HasBegun, entry.HasBegun ? 0 : entry.Client.Computed, entry.Arrival);

        private Entry? Next() => Waiting.Where(entry => !IsFull(entry.Client)).MinBy(Turn);

        private int PlaceOf(Entry entry) => 1 + Waiting.Count(other => other != entry && !IsFull(other.Client) && Turn(other).CompareTo(Turn(entry)) < 0);

        private bool IsFull(Account account) =>
            _accounts.GetValueOrDefault("") != account && _entries.Count(entry => entry.Client == account && entry.Place == Place.Running) >= MostRunningPerClient;

        private bool IsActive(Account account) => _entries.Any(entry => entry.Client == account && entry.Place != Place.Ended);

        private void End(Entry entry, FinishReason reason, KvasirError? error = null)
        {
            (entry.Place, entry.End) = (Place.Ended, (reason, error));
            if (!_accounts.Values.Any(IsActive))
                _leftAt = entry.Client.Computed;
        }
    }
}
