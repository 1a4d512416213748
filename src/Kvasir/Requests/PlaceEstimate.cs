namespace Kvasir.Requests;

/// <summary>When a place in the queue may be free: from the mean time between those that were left lately.</summary>
internal sealed class PlaceEstimate
{
    private const double NewShare = 0.2;
    private const double LeastMs = 1000;
    private const double MostMs = 60_000;
    private double _meanMs = double.NaN;
    private double _lastMs = double.NaN;

    /// <summary>A place was left.</summary>
    /// <param name="nowMs">Of any clock.</param>
    public void Mark(double nowMs)
    {
        if (!double.IsNaN(_lastMs))
            _meanMs = double.IsNaN(_meanMs) ? nowMs - _lastMs : _meanMs + (NewShare * (nowMs - _lastMs - _meanMs));
        _lastMs = nowMs;
    }

    /// <summary>Whole seconds from 1 to 60 until so many more places are left.</summary>
    /// <param name="oldestMs">How long the oldest has waited: what is known while nobody has left.</param>
    public TimeSpan RetryAfter(double nowMs, int places, double oldestMs)
    {
        var each = double.IsNaN(_meanMs) ? oldestMs : _meanMs;
        var passed = double.IsNaN(_lastMs) ? 0 : nowMs - _lastMs;
        return TimeSpan.FromSeconds(Math.Ceiling(Math.Clamp((each * places) - passed, LeastMs, MostMs) / 1000));
    }
}
