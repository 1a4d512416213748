namespace Kvasir.Kernels.Machine;

/// <summary>How fast memory is read, over several short runs.</summary>
/// <param name="Threads">That read at once.</param>
/// <param name="BytesPerSecond">The median, all threads together.</param>
/// <param name="BestBytesPerSecond">The fastest run.</param>
public readonly record struct BandwidthSample(int Threads, double BytesPerSecond, double BestBytesPerSecond);
