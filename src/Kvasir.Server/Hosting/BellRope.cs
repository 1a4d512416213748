using System.Collections.Concurrent;

namespace Kvasir.Server.Hosting;

/// <summary>
/// Wakes the answers that wait for what an engine's step has brought, one after another by one work item of the pool: a thread that is woken for each takes
/// the processors from the next step as often as there are streams.
/// </summary>
internal sealed class BellRope : IThreadPoolWorkItem
{
    private readonly ConcurrentQueue<AnswerBell> _pulled = new();
    private int _isQueued;

    /// <summary>From any thread; returns at once.</summary>
    public void Pull(AnswerBell bell)
    {
        _pulled.Enqueue(bell);
        if (Interlocked.Exchange(ref _isQueued, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        do
        {
            while (_pulled.TryDequeue(out var bell))
                bell.Wake();
            Volatile.Write(ref _isQueued, 0);
            // Pulled since the last look: whoever did so may have taken this for queued.
            Interlocked.MemoryBarrier();
        }
        while (!_pulled.IsEmpty && Interlocked.Exchange(ref _isQueued, 1) == 0);
    }
}
