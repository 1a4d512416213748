using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Machine;

/// <summary>Measures how fast threads read memory that no cache holds: the floor under every decode step.</summary>
public static unsafe class MemoryReadProbe
{
    /// <summary>What a thread reads by default: more than its share of any cache.</summary>
    public const long DefaultBytesPerThread = 256 << 20;

    // Of a thread's memory in each run, one part after another: short runs find the machine undisturbed more often.
    private const int Parts = 4;
    private const int SmallestPageBytes = 4096;
    private static long _sink;

    /// <param name="threads">At least 1; up to the physical cores, each has one to itself.</param>
    /// <param name="runs">At least 1: times that all of it is read.</param>
    /// <param name="bytesPerThread">Memory that each thread takes, touches and reads; at least 1 MiB.</param>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public static BandwidthSample Measure(int threads, int runs, long bytesPerThread = DefaultBytesPerThread)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytesPerThread, 1 << 20);
        var partBytes = bytesPerThread / Parts / ReadStreams.StepBytes * ReadStreams.StepBytes;
        var seconds = ProbeThreads.Run(threads, runs * Parts, () =>
        {
            var buffer = NativeBuffer.Uninitialized(bytesPerThread);
            var view = buffer.View;
            Touch(view);
            var round = 0L;
            return (() => Read(view.Slice(round++ % Parts * partBytes, partBytes)), buffer);
        });
        Array.Sort(seconds);
        var bytes = (double)partBytes * threads;
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

/// <summary>How fast memory is read, over several short runs.</summary>
/// <param name="Threads">That read at once.</param>
/// <param name="BytesPerSecond">The median, all threads together.</param>
/// <param name="BestBytesPerSecond">The fastest run.</param>
public readonly record struct BandwidthSample(int Threads, double BytesPerSecond, double BestBytesPerSecond);
