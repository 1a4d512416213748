using System.Collections.Concurrent;

namespace Kvasir;

/// <summary>An engine with a thread of its own, for callers that submit from many threads and read asynchronously.</summary>
public sealed class EngineLoop : IDisposable
{
    private readonly Engine _engine;
    private readonly ConcurrentQueue<(Sequence Sequence, TaskCompletionSource Accepted)> _submissions = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private volatile bool _stopping;

    /// <param name="engine">Owned from now on: nobody else may step it, and it is disposed with the loop.</param>
    public EngineLoop(Engine engine)
    {
        _engine = engine;
        _thread = new Thread(Run) { IsBackground = true, Name = "kvasir engine" };
        _thread.Start();
    }

    /// <summary>The engine, for its plan and counters.</summary>
    public Engine Engine => _engine;

    /// <summary>Hands a sequence to the engine; completes when it is accepted into the queue.</summary>
    /// <exception cref="KvasirException">The engine refuses it, as <see cref="Engine.Submit"/> says, or is closed.</exception>
    public Task SubmitAsync(Sequence sequence)
    {
        var accepted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (_stopping)
            return Task.FromException(Closed());
        _submissions.Enqueue((sequence, accepted));
        _wake.Release();
        // The loop may have ended between the look and the enqueuing; then nobody will take it out.
        if (_stopping)
            accepted.TrySetException(Closed());
        return accepted.Task;
    }

    public void Dispose()
    {
        if (_stopping)
            return;
        _stopping = true;
        _wake.Release();
        _thread.Join();
    }

    private static KvasirException Closed() => new(KvasirError.Closed, "the engine was closed");

    private void Run()
    {
        while (!_stopping)
        {
            Accept();
            if (!TryStep())
                _wake.Wait();
        }

        _engine.Dispose();
        while (_submissions.TryDequeue(out var late))
            late.Accepted.TrySetException(Closed());
    }

    private void Accept()
    {
        while (_submissions.TryDequeue(out var submission))
        {
            try
            {
                _engine.Submit(submission.Sequence);
                submission.Accepted.TrySetResult();
            }
            catch (KvasirException refusal)
            {
                submission.Accepted.TrySetException(refusal);
            }
        }
    }

    // A fault in a step is ours; the sequences in it are told, and the loop goes on for those to come.
    private bool TryStep()
    {
        try
        {
            return _engine.Step();
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            _engine.FailAll(new KvasirException(KvasirError.Closed, $"the engine failed: {fault.Message}", fault));
            return true;
        }
    }
}
