namespace Kvasir.Bench.Gate;

/// <summary>Two ways to the same result, the slow one of which is the yardstick: how many times faster the other has to be.</summary>
/// <param name="Name">Kernel and shape.</param>
/// <param name="Variant">The form that this machine runs.</param>
/// <param name="LeastRatio">About half of what was measured: below it something is broken, not noisy.</param>
/// <param name="Scalar">The reference.</param>
/// <param name="Fastest">What callers get.</param>
internal sealed record GateCase(string Name, string Variant, double LeastRatio, Action Scalar, Action Fastest);
