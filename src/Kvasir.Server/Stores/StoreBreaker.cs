namespace Kvasir.Server.Stores;

/// <summary>
/// Whether somebody is asked who did not answer: after three failures in a row not for ten seconds, and twice as long each time, up to a minute.
/// </summary>
internal sealed class StoreBreaker(TimeProvider time)
{
    private const int MostFailures = 3;
    private static readonly TimeSpan First = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);
    private readonly Lock _gate = new();
    private TimeSpan _pause = First;
    private long _openedAt;
    private bool _isOpen;
    private int _failures;

    /// <summary>Whether nobody is to ask now.</summary>
    public bool IsOpen
    {
        get
        {
            using var gate = _gate.EnterScope();
            return _isOpen && time.GetElapsedTime(_openedAt) < _pause;
        }
    }

    /// <summary>The last failure; empty for none.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>One more has failed.</summary>
    public void Count(Exception problem)
    {
        using var gate = _gate.EnterScope();
        Problem = (problem as AggregateException)?.InnerException?.Message ?? problem.Message;
        // One that is tried again behind a pause has to answer the first time.
        if (++_failures < MostFailures && !_isOpen)
            return;
        _pause = _isOpen ? (2 * _pause < Longest ? 2 * _pause : Longest) : First;
        (_isOpen, _openedAt, _failures) = (true, time.GetTimestamp(), 0);
    }

    /// <summary>One was answered.</summary>
    public void Clear()
    {
        using var gate = _gate.EnterScope();
        (_isOpen, _failures, _pause) = (false, 0, First);
    }
}
