using System.Diagnostics;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Machine;

/// <summary>Measures how fast a file is read by threads that each wait for one read at a time, as many as reads are to be under way.</summary>
public static class DiskReadProbe
{
    // Of the first reads, which wake what sleeps.
    private const int WarmReads = 2;
    private const int MostReads = 1 << 16;

    /// <param name="file">Filled, and longer than a read.</param>
    /// <param name="readBytes">A multiple of <see cref="DirectFile.Alignment"/>.</param>
    /// <param name="depth">Reads under way: at least 1.</param>
    /// <param name="isSequential">Whether each read follows another, or any may come next.</param>
    /// <param name="runMs">How long reads are begun; every thread reads once at least.</param>
    /// <exception cref="IOException">A read failed.</exception>
    public static DiskReadSample Measure(DirectFile file, int readBytes, int depth, bool isSequential, double runMs)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentOutOfRangeException.ThrowIfLessThan(depth, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(readBytes, file.Bytes);
        // So large that it is aligned for any read.
        using var memory = NativeBuffer.Uninitialized(Math.Max(2L << 20, (long)depth * readBytes));
        var (next, places) = (-1L, file.Bytes / readBytes);
        Exception? failure = null;
        var times = new double[depth][];
        // When each thread began and ended, on its own word: who waits for them may be kept from his processor meanwhile.
        var (begins, ends) = (new long[depth], new long[depth]);
        var threads = new Thread[depth];
        using var meeting = new Barrier(depth + 1);
        for (var i = 0; i < depth; i++)
        {
            var own = i;
            threads[i] = new Thread(() => times[own] = Work(own), 256 << 10) { IsBackground = true, Name = $"kvasir disk {own}" };
            threads[i].Start();
        }

        var cpu = Environment.CpuUsage.TotalTime;
        meeting.SignalAndWait();
        foreach (var thread in threads)
            thread.Join();
        var (seconds, cpuSeconds) = (Stopwatch.GetElapsedTime(begins.Min(), ends.Max()).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
        if (failure is not null)
            throw new IOException($"reading the disk failed: {failure.Message}", failure);
        return DiskReadSample.Of([.. times.SelectMany(static own => own)], seconds, cpuSeconds);

        double[] Work(int thread)
        {
            var into = memory.View.Slice((long)thread * readBytes, readBytes);
            var own = new List<double>(MostReads / depth);
            meeting.SignalAndWait();
            try
            {
                begins[thread] = Stopwatch.GetTimestamp();
                // Once at least, however long a thread was kept from its processor.
                while (failure is null && own.Count < own.Capacity && (own.Count == 0 || Stopwatch.GetElapsedTime(begins[thread]).TotalMilliseconds < runMs))
                {
                    var number = Interlocked.Increment(ref next);
                    var place = isSequential ? number % places : (long)(CounterNoise.Word(1, (ulong)number) % (ulong)places);
                    var at = Stopwatch.GetTimestamp();
                    file.Read(place * readBytes, into);
                    own.Add(Stopwatch.GetElapsedTime(at).TotalMicroseconds);
                }
            }
            catch (Exception fault)
            {
                failure = fault;
            }

            ends[thread] = Stopwatch.GetTimestamp();
            return [.. own.Skip(own.Count > 2 * WarmReads ? WarmReads : 0)];
        }
    }
}

/// <summary>How reads of one size and depth went.</summary>
/// <param name="ReadsPerSecond">Of all threads together.</param>
/// <param name="MedianUs">From a read's begin to its end.</param>
/// <param name="SlowUs">The same, which 1 of 100 exceed.</param>
/// <param name="CpuUs">Time of a processor that a read takes.</param>
public readonly record struct DiskReadSample(double ReadsPerSecond, double MedianUs, double SlowUs, double CpuUs)
{
    internal static DiskReadSample Of(double[] times, double seconds, double cpuSeconds)
    {
        Array.Sort(times);
        return new DiskReadSample(
            times.Length / seconds, times[times.Length / 2], times[(int)(times.Length * 0.99)], cpuSeconds / times.Length * 1e6);
    }
}
