using Kvasir.Server.Errors;

namespace Kvasir.Server.Hosting;

/// <summary>Counts requests that are under way. Once it drains it lets nobody in; those inside have some time to end.</summary>
internal sealed class RequestGate : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;
    private bool _isDraining;

    public bool IsDraining => Volatile.Read(ref _isDraining);

    /// <summary>Requests inside.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Cancelled when those inside have had their time.</summary>
    public CancellationToken End => _end.Token;

    /// <summary>What a request is told that comes, or is still there, too late.</summary>
    public static RequestError Refusal => new(ErrorKind.Draining, "the server is shutting down");

    /// <exception cref="RequestException">The server drains.</exception>
    public IDisposable Enter()
    {
        lock (_lock)
        {
            if (_isDraining)
                throw new RequestException(Refusal);
            _count++;
        }

        return new Visit(this);
    }

    /// <summary>Lets nobody in any more, waits for those inside, and tells those that are left after <paramref name="patience"/> to end.</summary>
    public async Task DrainAsync(TimeSpan patience, TimeProvider clock, CancellationToken cancellation)
    {
        lock (_lock)
        {
            _isDraining = true;
            if (_count == 0)
                _empty.TrySetResult();
        }

        try
        {
            await _empty.Task.WaitAsync(patience, clock, cancellation).ConfigureAwait(false);
        }
        catch (Exception late) when (late is TimeoutException or OperationCanceledException)
        {
            await _end.CancelAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => _end.Dispose();

    private void Leave()
    {
        lock (_lock)
        {
            if (--_count == 0 && _isDraining)
                _empty.TrySetResult();
        }
    }

    private sealed class Visit(RequestGate gate) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                gate.Leave();
        }
    }
}
