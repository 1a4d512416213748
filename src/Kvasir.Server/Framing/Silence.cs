using Kvasir.Server.Answers;

namespace Kvasir.Server.Framing;

/// <summary>
/// What is said while an answer has nothing to say: how far its prompt is, where somebody asked, and that the server is alive. A timer rings the answer's bell;
/// it is set anew when it has rung, not by each token.
/// </summary>
internal sealed class Silence : IDisposable
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);
    private readonly ServedAnswer _answer;
    private readonly AnswerWriter _writer;
    private readonly ITimer? _timer;
    private int _hasRung;

    public Silence(ServedAnswer answer, AnswerWriter writer, TimeProvider clock)
    {
        (_answer, _writer) = (answer, writer);
        if (writer.UntilKeepAlive is { } left)
            _timer = clock.CreateTimer(static silence => ((Silence)silence!).Ring(), this, Pause(left), Timeout.InfiniteTimeSpan);
    }

    private bool TellsProgress => _answer.Request.IncludesProgress && _answer.IsInPrefill;

    /// <summary>Says what is due.</summary>
    public async ValueTask BreakAsync()
    {
        if (_timer is null || Interlocked.Exchange(ref _hasRung, 0) == 0)
            return;
        if (TellsProgress)
            await _writer.ProgressAsync().ConfigureAwait(false);
        if (_writer.UntilKeepAlive <= TimeSpan.Zero)
            await _writer.KeepAliveAsync().ConfigureAwait(false);
        if (_writer.UntilKeepAlive is { } left)
            _timer.Change(Pause(left), Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _timer?.Dispose();

    private void Ring()
    {
        Volatile.Write(ref _hasRung, 1);
        _answer.Bell.Ring();
    }

    private TimeSpan Pause(TimeSpan left)
    {
        if (TellsProgress && left > ProgressInterval)
            return ProgressInterval;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
