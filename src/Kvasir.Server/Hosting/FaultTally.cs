namespace Kvasir.Server.Hosting;

/// <summary>
/// Faults of engines, over all that a model has had: three within a minute are more than chance. Counted from what engines say of themselves, now and then.
/// </summary>
internal sealed class FaultTally(TimeProvider clock)
{
    private const int Most = 3;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(60);
    private readonly Lock _gate = new();
    private readonly Queue<long> _seenAt = new(Most);
    private long _seen;

    /// <summary>Whether there were three within a minute once.</summary>
    public bool IsReached { get; private set; }

    /// <param name="total">All that there ever were.</param>
    public void See(long total)
    {
        using var gate = _gate.EnterScope();
        for (; _seen < total; _seen++)
        {
            if (_seenAt.Count == Most)
                _seenAt.Dequeue();
            _seenAt.Enqueue(clock.GetTimestamp());
            IsReached |= _seenAt.Count == Most && clock.GetElapsedTime(_seenAt.Peek()) <= Window;
        }
    }
}
