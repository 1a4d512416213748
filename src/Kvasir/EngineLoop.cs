using System.Collections.Concurrent;
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
    private readonly ConcurrentQueue<(Sequence Sequence, TaskCompletionSource Accepted)> _submissions = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private Exception? _closingFault;
    private volatile bool _stopping;

    /// <param name="engine">Owned from now on: nobody else may step it, and it is disposed with the loop.</param>
    public EngineLoop(Engine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _engine = engine;
        if (engine.SharedMemory is { } memory)
            memory.Returned += Wake;
        _thread = new Thread(Run) { IsBackground = true, Name = "kvasir engine" };
        _thread.Start();
    }

    /// <summary>The engine, for its plan and counters.</summary>
    public Engine Engine => _engine;

    /// <summary>Checks a sequence on this thread and hands it to the engine; completes when it is accepted into the queue.</summary>
    /// <exception cref="KvasirException">The engine refuses it, as <see cref="Engine.Submit"/> says.</exception>
    /// <exception cref="ObjectDisposedException">The loop, the engine or its model was disposed.</exception>
    public Task SubmitAsync(Sequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        var accepted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            _engine.Prepare(sequence);
        }
        catch (Exception refusal)
        {
            return Task.FromException(refusal);
        }

        _submissions.Enqueue((sequence, accepted));
        _wake.Release();
        // The loop may have ended between the look and the enqueuing; then nobody will take it out.
        if (_stopping)
            accepted.TrySetException(Closed());
        return accepted.Task;
    }

    /// <summary>Ends the step in progress, fails what has no end yet, and disposes the engine. From a callback of the engine's own thread it does so when that returns.</summary>
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

    private static ObjectDisposedException Closed() => new(typeof(EngineLoop).FullName);

    private void Run()
    {
        while (!_stopping)
        {
            Accept();
            if (!TryStep())
                _wake.Wait();
            else if (_engine.AwaitsMemory)
                _wake.Wait(MemoryWaitMs);
        }

        if (_engine.SharedMemory is { } memory)
            memory.Returned -= Wake;
        Close();
        while (_submissions.TryDequeue(out var late))
            late.Accepted.TrySetException(Closed());
    }

    private void Wake() => _wake.Release();

    private void Accept()
    {
        while (_submissions.TryDequeue(out var submission))
        {
            try
            {
                _engine.Enqueue(submission.Sequence);
                submission.Accepted.TrySetResult();
            }
            catch (Exception refusal)
            {
                submission.Accepted.TrySetException(refusal);
            }
        }
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
