namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>What a kernel that reads weights from memory asks for ahead. The hardware follows a stream by itself, but stops at the end of each page.</summary>
internal enum WeightsAhead
{
    /// <summary>Every line: Intel's first level has as many under way as its prefetchers would.</summary>
    Lines,

    /// <summary>
    /// One line of every 2 KiB, after which the hardware goes on alone. AMD's cores follow a stream of misses with more lines under way than
    /// loads and prefetches can have, and lose sight of it when each line was asked for: on a Zen 5 core 32 GB/s against 22.
    /// </summary>
    HalfPages,
}
