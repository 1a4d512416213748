using System.Runtime.ExceptionServices;

namespace Kvasir;

/// <summary>
/// An engine with a thread of its own, for callers that submit from many threads and read asynchronously. Nothing that a request brings along can end that
/// thread: what throws ends the sequence that it belongs to, as <see cref="Engine.Step"/> says.
/// </summary>
public sealed class EngineLoop : IDisposable
{
    // Others tell when memory comes back; a sequence that is cancelled meanwhile is looked for.
    private const int MemoryWaitMs = 100;
    private readonly Engine _engine;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _wake = new(0);
    private readonly BetweenSteps _between = new();
    private readonly Thread _thread;
    private Exception? _closingFault;
    private ITimer? _drainTimer;
    private bool _isDraining;
    private volatile bool _drainIsOver;
    private volatile bool _stopping;

    /// <param name="engine">Owned from now on: nobody else may step it, and it is disposed with the loop.</param>
    public EngineLoop(Engine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        if (engine.SharedMemory is { } memory)
        {
            memory.Returned += Wake;
            // Rows that nobody computes with are given back by a step, even of an engine that rests.
            memory.Wanted += Wake;
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "kvasir engine" };
        _thread.Start();
    }

    /// <summary>The engine, for its plan and counters.</summary>
    public Engine Engine => _engine;

    /// <summary>Whether it serves.</summary>
    public EngineState State => _stopping ? EngineState.Closed
        : _engine.IsBroken ? EngineState.Broken
        : _engine.IsFailing ? EngineState.Failing
        : Volatile.Read(ref _isDraining) ? EngineState.Draining
        : EngineState.Serving;

    /// <summary>Checks a sequence and puts it into the engine's queue, on this thread; a step in progress is not waited for.</summary>
    /// <exception cref="KvasirException">The engine refuses it, as <see cref="Engine.Submit"/> says.</exception>
    /// <exception cref="ObjectDisposedException">The loop, the engine or its model was disposed.</exception>
    public Task SubmitAsync(Sequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        try
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _engine.Submit(sequence);
        }
        catch (Exception refusal)
        {
            return Task.FromException(refusal);
        }

        _wake.Release();
        return Task.CompletedTask;
    }

    /// <summary>Writes the keys and values of a conversation to a file, between two steps: answers under way wait meanwhile.</summary>
    /// <inheritdoc cref="Engine.SaveKv"/>
    public Task<KvFileUse> SaveKvAsync(string path, ReadOnlyMemory<int> tokens, GenerationOptions? options = null) =>
        Between(engine => engine.SaveKv(path, tokens.Span, options));

    /// <summary>Takes keys and values out of a file, between two steps: answers under way wait meanwhile.</summary>
    /// <inheritdoc cref="Engine.LoadKv"/>
    public Task<KvFileUse> LoadKvAsync(string path, ReadOnlyMemory<int> prompt = default, GenerationOptions? options = null) =>
        Between(engine => engine.LoadKv(path, prompt.Span, options));

    /// <summary>
    /// Takes no more requests, and completes when those that it has are answered, or ended with <see cref="KvasirError.Draining"/> because the time was over.
    /// Asked again, it ends them at once. The loop is still to be disposed.
    /// </summary>
    /// <param name="timeout">Not negative, and at most 24 days; or infinite.</param>
    public Task DrainAsync(TimeSpan timeout)
    {
        if (timeout != Timeout.InfiniteTimeSpan && (timeout < TimeSpan.Zero || timeout > TimeSpan.FromDays(24)))
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "is negative or more than 24 days");
        if (Interlocked.Exchange(ref _isDraining, true))
        {
            EndDrain();
            return _drained.Task;
        }

        _engine.Close(new KvasirException(KvasirError.Draining, "the engine is shutting down and takes no more requests"));
        _drainTimer = _engine.Time.CreateTimer(static loop => ((EngineLoop)loop!).EndDrain(), this, timeout, Timeout.InfiniteTimeSpan);
        _wake.Release();
        return _drained.Task;
    }

    /// <summary>
    /// Ends the step in progress, fails what has no end yet, and disposes the engine. From a callback of the engine's own thread it does so when that returns.
    /// </summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Release();
        if (Thread.CurrentThread == _thread)
            return;
        _thread.Join();
        if (Interlocked.Exchange(ref _closingFault, null) is { } fault)
            ExceptionDispatchInfo.Throw(fault);
    }

    private void Run()
    {
        while (!_stopping)
        {
            _between.Run(_engine);
            var computes = TryStep();
            Drain(computes);
            if (!computes)
                _wake.Wait();
            else if (_engine.AwaitsMemory)
                _wake.Wait(MemoryWaitMs);
        }

        if (_engine.SharedMemory is { } memory)
        {
            memory.Returned -= Wake;
            memory.Wanted -= Wake;
        }

        Close();
        _between.Close();
        _drainTimer?.Dispose();
        _drained.TrySetResult();
    }

    private Task<KvFileUse> Between(Func<Engine, KvFileUse> work)
    {
        var done = _between.Add(work);
        Wake();
        return done;
    }

    private void Wake() => _wake.Release();

    private void EndDrain()
    {
        _drainIsOver = true;
        _wake.Release();
    }

    // What is left when the time is over ends here, and its pages are back before whoever drains is told.
    private void Drain(bool computes)
    {
        if (!Volatile.Read(ref _isDraining))
            return;
        if (computes && _drainIsOver)
            _engine.EndAll(new KvasirException(KvasirError.Draining, "the engine shuts down, and the time that it gives to answers under way is over"));
        if (!computes || _drainIsOver)
            _drained.TrySetResult();
    }

    // The sequences of a step that fails are told by the engine. One that cannot go on waits here to be disposed, and refuses what comes.
    private bool TryStep()
    {
        try
        {
            return _engine.Step();
        }
        catch (Exception fault) when (fault is ObjectDisposedException or KvasirException)
        {
            return false;
        }
        catch (InvalidOperationException)
        {
            // Somebody steps an engine that is not theirs to step.
            return Thread.Yield() || !_stopping;
        }
        catch (Exception fault)
        {
            _closingFault ??= fault;
            return false;
        }
    }

    // Whoever disposes the loop is told what goes wrong: listeners of an engine's metrics, say, are called as it closes.
    private void Close()
    {
        try
        {
            _engine.Dispose();
        }
        catch (Exception fault)
        {
            _closingFault = fault;
        }
    }
}

/// <summary>Whether an <see cref="EngineLoop"/> serves.</summary>
public enum EngineState
{
    /// <summary>It takes requests and answers them.</summary>
    Serving,

    /// <summary>It takes none, and answers those that it has: <see cref="EngineLoop.DrainAsync"/>.</summary>
    Draining,

    /// <summary>Three steps failed within a minute: it goes on, but something is wrong that time does not mend.</summary>
    Failing,

    /// <summary>Its cache did not balance after a fault: it refuses whatever comes, and whoever owns it makes another.</summary>
    Broken,

    /// <summary>It was disposed.</summary>
    Closed,
}
