using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Machine;

/// <summary>Measures how fast threads read memory that no cache holds: the floor under every decode step.</summary>
public static unsafe class MemoryReadProbe
{
    /// <summary>What a thread reads by default: more than its share of any cache.</summary>
    public const long DefaultBytesPerThread = 256 << 20;

    private const int SmallestPageBytes = 4096;
    private static long _sink;

    /// <param name="threads">At least 1; up to the physical cores, each has one to itself.</param>
    /// <param name="runs">At least 1.</param>
    /// <param name="bytesPerThread">Memory that each thread takes, touches and reads; at least 1 MiB.</param>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public static BandwidthSample Measure(int threads, int runs, long bytesPerThread = DefaultBytesPerThread)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytesPerThread, 1 << 20);
        var seconds = ProbeThreads.Run(threads, runs, () =>
        {
            var buffer = NativeBuffer.Uninitialized(bytesPerThread);
            var view = buffer.View;
            Touch(view);
            return (() => Read(view), buffer);
        });
        Array.Sort(seconds);
        var bytes = (double)(bytesPerThread / ReadStreams.StepBytes * ReadStreams.StepBytes) * threads;
        return new BandwidthSample(threads, bytes / seconds[seconds.Length / 2], bytes / seconds[0]);
    }

    // Memory comes with the first write, and for the thread that writes: it then lies close to the core that reads it.
    private static void Touch(NativeView view)
    {
        for (long at = 0; at < view.Bytes; at += SmallestPageBytes)
            view.Start[at] = 1;
    }

    // What was read is kept, or the loop could be dropped.
    private static void Read(NativeView view) => Interlocked.Or(ref _sink, ReadStreams.Read(view.Start, view.Bytes));
}
