namespace Kvasir.Ground;

/// <summary>
/// Counts who is inside something that any thread may close at any time. What it holds is freed once: by the call that closes it while nobody is inside, or by
/// the last that leaves afterwards.
/// </summary>
internal sealed class UseCount
{
    private const int Closed = int.MinValue;
    private int _state;

    public bool IsClosed => Volatile.Read(ref _state) < 0;

    /// <summary>False when it is closed; else whoever entered leaves again.</summary>
    public bool TryEnter()
    {
        var state = Volatile.Read(ref _state);
        while (state >= 0)
        {
            var seen = Interlocked.CompareExchange(ref _state, state + 1, state);
            if (seen == state)
                return true;
            state = seen;
        }

        return false;
    }

    /// <summary>True for the last of what is closed, who frees it.</summary>
    public bool Leave() => Interlocked.Decrement(ref _state) == Closed;

    /// <summary>True when nobody is inside, and the caller frees it; false too when it was closed before.</summary>
    public bool Close() => Interlocked.Or(ref _state, Closed) == 0;
}
