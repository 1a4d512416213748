namespace Kvasir.Tools.Test.Support;

/// <summary>A clock whose timer fires when it is told to.</summary>
internal sealed class HandTurnedClock : TimeProvider, ITimer
{
    private Action _fire = static () => { };

    public TimeSpan Period { get; private set; }

    public void Fire() => _fire();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        (Period, _fire) = (period, () => callback(state));
        return this;
    }

    public bool Change(TimeSpan dueTime, TimeSpan period) => true;

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
