namespace Kvasir;

/// <summary>What is done with an engine between two of its steps, for those who wait for it on other threads.</summary>
internal sealed class BetweenSteps
{
    private readonly Lock _gate = new();
    private readonly Queue<(Func<Engine, KvFileUse> Work, TaskCompletionSource<KvFileUse> Done)> _waiting = [];
    private bool _isClosed;

    /// <summary>From any thread. The task fails when the engine is disposed before its turn.</summary>
    public Task<KvFileUse> Add(Func<Engine, KvFileUse> work)
    {
        var done = new TaskCompletionSource<KvFileUse>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_isClosed)
                done.SetException(Closed());
            else
                _waiting.Enqueue((work, done));
        }

        return done.Task;
    }

    /// <summary>Does what there is, on the thread that steps.</summary>
    public void Run(Engine engine)
    {
        while (TryNext(out var work, out var done))
        {
            try
            {
                done.SetResult(work(engine));
            }
            catch (Exception fault)
            {
                done.SetException(fault);
            }
        }
    }

    /// <summary>Takes no more, and fails what waits.</summary>
    public void Close()
    {
        lock (_gate)
            _isClosed = true;
        while (TryNext(out _, out var done))
            done.SetException(Closed());
    }

    private bool TryNext(out Func<Engine, KvFileUse> work, out TaskCompletionSource<KvFileUse> done)
    {
        lock (_gate)
        {
            var isThere = _waiting.TryDequeue(out var next);
            (work, done) = next;
            return isThere;
        }
    }

    private static ObjectDisposedException Closed() => new(nameof(EngineLoop));
}
