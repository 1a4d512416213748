namespace Kvasir.Tiers;

/// <summary>How fast a store is that is made up to be measured against: see <see cref="EngineOptions.KvPace"/>.</summary>
/// <param name="ReadsPerSecond">At most.</param>
/// <param name="BytesPerSecond">At most.</param>
/// <param name="LatencyUs">From a read's beginning to its end, at least.</param>
public readonly record struct ReadPace(double ReadsPerSecond, double BytesPerSecond, double LatencyUs);
