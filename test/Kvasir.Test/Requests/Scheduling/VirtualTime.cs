namespace Kvasir.Test.Requests.Scheduling;

/// <summary>
/// A clock that stands still but for what rows cost, as an engine's own counts have them, and for what a test adds: so that steps take what a model says, exactly.
/// </summary>
internal sealed class VirtualTime : TimeProvider
{
    private double _addedMs;

    /// <summary>Whose rows count; null for nobody's.</summary>
    public Engine? Engine { get; set; }

    /// <summary>Milliseconds of a prompt row.</summary>
    public double PromptRowMs { get; init; }

    /// <summary>Milliseconds of a generated row.</summary>
    public double DecodeRowMs { get; init; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Advance(TimeSpan time) => _addedMs += time.TotalMilliseconds;

    public override long GetTimestamp()
    {
        var figures = Engine?.Figures;
        return (long)((_addedMs + ((figures?.PromptRows ?? 0) * PromptRowMs) + ((figures?.DecodeRows ?? 0) * DecodeRowMs)) * TimeSpan.TicksPerMillisecond);
    }
}
