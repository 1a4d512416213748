namespace Kvasir.Ground;

/// <summary>Lets callers in one at a time, in the order in which they come. A caller spins for a moment before it sleeps: jobs are short.</summary>
internal sealed class FairLock
{
    private const int SpinLimit = 1000;
    private readonly object _sleepers = new();
    private int _next;
    private int _current;
    private int _sleeping;

    /// <summary>Returns when it is the caller's turn.</summary>
    public void Await()
    {
        var own = Interlocked.Increment(ref _next) - 1;
        for (var spin = 0; spin < SpinLimit; spin++)
        {
            if (Volatile.Read(ref _current) == own)
                return;
            Thread.SpinWait(20);
        }

        lock (_sleepers)
        {
            // Counted before the look: either who passes sees a sleeper, or this look sees the turn.
            Interlocked.Increment(ref _sleeping);
            while (Volatile.Read(ref _current) != own)
                Monitor.Wait(_sleepers);
            Interlocked.Decrement(ref _sleeping);
        }
    }

    /// <summary>Ends the caller's turn.</summary>
    public void Pass()
    {
        Interlocked.Increment(ref _current);
        if (Volatile.Read(ref _sleeping) == 0)
            return;
        lock (_sleepers)
            Monitor.PulseAll(_sleepers);
    }
}
