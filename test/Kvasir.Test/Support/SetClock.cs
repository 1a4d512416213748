namespace Kvasir.Test.Support;

/// <summary>A clock that stands until it is set on.</summary>
internal sealed class SetClock : TimeProvider
{
    private long _ms = 1_000_000;

    public override long TimestampFrequency => 1000;

    public override long GetTimestamp() => Volatile.Read(ref _ms);

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000 + GetTimestamp());

    public void Add(TimeSpan time) => Interlocked.Add(ref _ms, (long)time.TotalMilliseconds);
}
