using System.Threading.Tasks.Sources;

namespace Kvasir.Server.Hosting;

/// <summary>
/// What an answer waits for between two frames, whatever it is: tokens, a client that leaves, a keep-alive that is due. Any thread rings; one waits, and hears
/// what rang before it did. A wait allocates nothing.
/// </summary>
/// <param name="rope">Wakes it.</param>
internal sealed class AnswerBell(BellRope rope) : IValueTaskSource
{
    private const int Silent = 0;
    private const int Rung = 1;
    private const int Awaited = 2;
    private ManualResetValueTaskSourceCore<bool> _wait;
    private int _state;

    /// <summary>Whoever waits goes on, on a thread of the pool. Returns at once.</summary>
    public void Ring()
    {
        if (Interlocked.Exchange(ref _state, Rung) == Awaited)
            rope.Pull(this);
    }

    /// <summary>Completes when it rings, or has rung since the last wait.</summary>
    public ValueTask WaitAsync()
    {
        _wait.Reset();
        if (Interlocked.CompareExchange(ref _state, Awaited, Silent) == Silent)
            return new ValueTask(this, _wait.Version);
        Interlocked.Exchange(ref _state, Silent);
        return ValueTask.CompletedTask;
    }

    /// <summary>Lets go on who waits, on this thread. Called once for a wait that was rung.</summary>
    public void Wake()
    {
        // What has rung by now is found by whoever goes on.
        Interlocked.CompareExchange(ref _state, Silent, Rung);
        _wait.SetResult(true);
    }

    void IValueTaskSource.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);
}
