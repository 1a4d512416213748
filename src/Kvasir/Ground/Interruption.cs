namespace Kvasir.Ground;

/// <summary>
/// What ends a sequence before its answer is complete: somebody cancels it, or something throws in its own part of a step. Any thread may say so and may ask.
/// </summary>
internal sealed class Interruption
{
    private volatile bool _cancelled;
    private Exception? _fault;

    public bool IsCancelled => _cancelled;

    /// <summary>The first thing that was thrown; null for nothing.</summary>
    public Exception? Fault => Volatile.Read(ref _fault);

    /// <summary>Whether nobody waits for more of the sequence.</summary>
    public bool IsOver => _cancelled || Fault is not null;

    public void Cancel() => _cancelled = true;

    public void MarkFault(Exception fault) => Interlocked.CompareExchange(ref _fault, fault, null);

    /// <summary>Says that what a fault has spoilt was given up, and the sequence begins anew.</summary>
    public void ForgetFault() => Volatile.Write(ref _fault, null);
}
