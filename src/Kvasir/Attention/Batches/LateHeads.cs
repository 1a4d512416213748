using Kvasir.Attention.Heads;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Models.Configs;

namespace Kvasir.Attention.Batches;

/// <summary>
/// Heads of a layer that wait for their rows, so that no worker waits as long as any of them can go on: rows of all are chosen and asked for first, then
/// whoever is free goes on with what has come. For any number of workers.
/// </summary>
internal sealed class LateHeads : IDisposable
{
    private const int SeatsPerWorker = 4;
    private const int FewestSeats = 8;
    private readonly Seat[] _seats;
    private int _begun;
    private int _unfinished;

    /// <param name="maxRows">The most rows that a head will hold.</param>
    public LateHeads(AttentionShape shape, KvFormat format, int maxRows, int workerCount)
    {
        _seats = new Seat[Math.Max(FewestSeats, SeatsPerWorker * workerCount)];
        for (var i = 0; i < _seats.Length; i++)
            _seats[i] = new Seat(new LateHead(shape, format, maxRows));
    }

    /// <summary>Whether any is not over.</summary>
    public bool IsBusy => Volatile.Read(ref _unfinished) > 0;

    public long Bytes
    {
        get
        {
            var bytes = 0L;
            foreach (var seat in _seats)
                bytes += seat.Head.Bytes;
            return bytes;
        }
    }

    /// <summary>Says how many heads there will be.</summary>
    public void Expect(int count) => _unfinished = count;

    /// <summary>Says that one of them will not be begun.</summary>
    public void Skip() => Interlocked.Decrement(ref _unfinished);

    /// <summary>Begins one head of a generated token; goes on with others first while there is no place for it.</summary>
    /// <param name="readsAll">Whether every row in sight is read, and no selector asked.</param>
    /// <param name="counts">Takes what those amount to that have ended meanwhile.</param>
    public void Begin(in LayerWork work, in Segment segment, int kvHead, bool readsAll, ref SelectionCounts counts)
    {
        Seat? seat;
        while ((seat = TakeFree()) is null)
            Help(waits: true, ref counts);
        (seat.Work, seat.Segment, seat.KvHead, seat.Number) = (work, segment, kvHead, Interlocked.Increment(ref _begun));
        try
        {
            var head = segment.Attention.Head(work.Layer, kvHead);
            seat.Head.Begin(
                readsAll ? head with { Selector = AllRows.Instance } : head, work.Queries, segment.FirstRow, kvHead,
                work.Queries.Shape.Visible(segment.FirstPosition), observes: !readsAll && segment.Attention.ObservesDecode);
            seat.Leave(Seat.Waiting);
        }
        catch (Exception fault)
        {
            Abandon(seat, fault);
        }
    }

    /// <summary>Goes on with those whose rows have come.</summary>
    /// <param name="waits">Whether to wait for the rows of one if none has.</param>
    /// <returns>Whether any could go on, or was waited for.</returns>
    public bool Help(bool waits, ref SelectionCounts counts)
    {
        var hasEnded = false;
        foreach (var seat in _seats)
        {
            if (seat.TryTake(Seat.Waiting))
                hasEnded |= GoOn(seat, waits: false, ref counts);
        }

        if (hasEnded || !waits || TakeToWait() is not { } one)
            return hasEnded;
        GoOn(one, waits: true, ref counts);
        return true;
    }

    public void Dispose()
    {
        foreach (var seat in _seats)
            seat.Head.Dispose();
    }

    private bool GoOn(Seat seat, bool waits, ref SelectionCounts counts)
    {
        try
        {
            if (seat.Segment.Attention.Fault is not null)
            {
                Abandon(seat, null);
                return true;
            }

            if (!seat.Head.TryGoOn(waits))
            {
                seat.Leave(Seat.Waiting);
                return false;
            }

            seat.Segment.Attention.CountReads(seat.Work.Layer, seat.KvHead, seat.Head.Counts.Reads);
            seat.Work.Outputs.SetOutputs(seat.Segment.FirstRow, seat.KvHead, seat.Head.Outputs);
            counts += seat.Head.Counts;
            seat.Leave(Seat.Free);
            Interlocked.Decrement(ref _unfinished);
        }
        catch (Exception fault)
        {
            Abandon(seat, fault);
        }

        return true;
    }

    private void Abandon(Seat seat, Exception? fault)
    {
        if (fault is not null)
            seat.Segment.Attention.MarkFault(fault);
        seat.Head.Abandon();
        seat.Leave(Seat.Free);
        Interlocked.Decrement(ref _unfinished);
    }

    // Before any that has nothing yet one that has: its rows come, and give room to others when they were attended. Who waited for room instead would wait for
    // ever if nobody else were left to go on. Of equal ones the oldest, whose rows come first.
    private Seat? TakeToWait()
    {
        Seat? best = null;
        foreach (var seat in _seats)
        {
            if (!seat.TryTake(Seat.Waiting))
                continue;
            var isBetter = best is null || IsBefore(seat, best);
            (isBetter ? best : seat)?.Leave(Seat.Waiting);
            best = isBetter ? seat : best;
        }

        return best;
    }

    private static bool IsBefore(Seat seat, Seat other) =>
        seat.Head.HoldsRows == other.Head.HoldsRows ? seat.Number < other.Number : seat.Head.HoldsRows;

    private Seat? TakeFree()
    {
        foreach (var seat in _seats)
        {
            if (seat.TryTake(Seat.Free))
                return seat;
        }

        return null;
    }

    private sealed class Seat(LateHead head)
    {
        public const int Free = 0;
        public const int Waiting = 1;
        private const int Taken = 2;
        private int _state;

        public LateHead Head { get; } = head;

        public LayerWork Work { get; set; }

        public Segment Segment { get; set; }

        public int KvHead { get; set; }

        public int Number { get; set; }

        public bool TryTake(int state) => Interlocked.CompareExchange(ref _state, Taken, state) == state;

        public void Leave(int state) => Volatile.Write(ref _state, state);
    }
}
