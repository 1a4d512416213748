namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>What a kernel that reads weights from memory asks for ahead. The hardware follows a stream by itself, but stops at the end of each page.</summary>
internal enum WeightsAhead
{
    /// <summary>Every line: what paid on the Intel processors that were measured.</summary>
    Lines,

    /// <summary>
    /// One line of every 2 KiB, after which the hardware goes on alone. On two Zen 5 cores a loop in C read 70 GB/s so, and 43 to 52 when it asked for every
    /// line; the likely reason is that the hardware follows a stream of misses further than loads and prefetches can, and sees none where each line was asked
    /// for.
    /// </summary>
    HalfPages,
}
