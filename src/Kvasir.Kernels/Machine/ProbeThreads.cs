using System.Diagnostics;
using Kvasir.Kernels.Threads;

namespace Kvasir.Kernels.Machine;

/// <summary>Threads that do the same work at the same time, each on a physical core of its own where there are as many.</summary>
internal static class ProbeThreads
{
    /// <summary>Seconds of each round, from the first start to the last end.</summary>
    /// <param name="threadCount">At least 1.</param>
    /// <param name="roundCount">At least 1; a round before them warms up and does not count.</param>
    /// <param name="prepare">Called on each thread: gives what it does in a round, and what it owns meanwhile.</param>
    public static double[] Run(int threadCount, int roundCount, Func<(Action Round, IDisposable? Owned)> prepare)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threadCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(roundCount, 1);
        var cpus = ProcessorTopology.PhysicalCpus();
        var (starts, ends) = (new long[roundCount + 1, threadCount], new long[roundCount + 1, threadCount]);
        using var meeting = new Barrier(threadCount);
        var threads = new Thread[threadCount];
        for (var i = 0; i < threadCount; i++)
        {
            var own = i;
            threads[i] = new Thread(() => Work(own)) { IsBackground = true, Name = $"kvasir probe {own}" };
            threads[i].Start();
        }

        foreach (var thread in threads)
            thread.Join();
        var seconds = new double[roundCount];
        for (var round = 1; round <= roundCount; round++)
            seconds[round - 1] = Span(starts, ends, round, threadCount);
        return seconds;

        void Work(int thread)
        {
            if (threadCount <= cpus.Length)
                ThreadAffinity.TryPinCurrentThread(cpus[thread]);
            var (work, owned) = prepare();
            for (var round = 0; round <= roundCount; round++)
            {
                meeting.SignalAndWait();
                starts[round, thread] = Stopwatch.GetTimestamp();
                work();
                ends[round, thread] = Stopwatch.GetTimestamp();
            }

            owned?.Dispose();
        }
    }

    private static double Span(long[,] starts, long[,] ends, int round, int threadCount)
    {
        var (first, last) = (long.MaxValue, long.MinValue);
        for (var thread = 0; thread < threadCount; thread++)
            (first, last) = (Math.Min(first, starts[round, thread]), Math.Max(last, ends[round, thread]));
        return (last - first) / (double)Stopwatch.Frequency;
    }
}
