using System.Runtime.InteropServices;
using Kvasir.Cli.Shared;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;

namespace Kvasir.Cli.Bench;

/// <summary>What the machine is, and how fast it reads and computes.</summary>
internal static class MachineProbe
{
    private const int ReadRuns = 5;
    private const int ComputeRuns = 15;
    private const long LeastBytesPerThread = 32 << 20;

    /// <param name="computes">Whether multiply-adds are measured too.</param>
    /// <param name="mostBytes">As for <see cref="Bandwidth"/>.</param>
    public static MachineReport Report(bool computes, long mostBytes, CancellationToken cancellation)
    {
        var cores = ProcessorTopology.PhysicalCpus().Length;
        var counts = ThreadCounts(cores);
        var bandwidth = new List<BandwidthReport>();
        var multiplyAdd = new List<MultiplyAddReport>();
        foreach (var threads in counts)
        {
            if (cancellation.IsCancellationRequested)
                break;
            var sample = Bandwidth(threads, mostBytes);
            bandwidth.Add(new BandwidthReport(threads, Math.Round(sample.BytesPerSecond), Math.Round(sample.BestBytesPerSecond)));
            if (computes)
                multiplyAdd.Add(MultiplyAdd(threads));
        }

        return new MachineReport(
            Processor.Name, cores, Environment.ProcessorCount, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, RuntimeInformation.OSDescription,
            RuntimeInformation.FrameworkDescription, VersionText.Informational, Processor.InstructionSets,
            Processor.UnusedInstructionSets is [_, ..] unused ? unused : null, [.. bandwidth], computes ? [.. multiplyAdd] : null);
    }

    /// <summary>Reading speed of so many threads, now.</summary>
    /// <param name="mostBytes">What is taken for each thread, and given back; less where memory is short.</param>
    public static BandwidthSample Bandwidth(int threads, long mostBytes)
    {
        var share = ResidentMemory.AvailableBytes() / 4 / threads;
        return MemoryReadProbe.Measure(threads, ReadRuns, Math.Clamp(share, Math.Min(LeastBytesPerThread, mostBytes), mostBytes));
    }

    private static MultiplyAddReport MultiplyAdd(int threads)
    {
        var f32 = MultiplyAddProbe.Measure(MultiplyAddKind.F32, threads, ComputeRuns);
        var bf16 = MultiplyAddProbe.Measure(MultiplyAddKind.BF16, threads, ComputeRuns);
        var int8 = MultiplyAddProbe.Measure(MultiplyAddKind.Bytes, threads, ComputeRuns);
        return new MultiplyAddReport(threads)
        {
            F32OperationsPerSecond = Rounded(f32),
            F32Form = f32?.Form,
            Bf16OperationsPerSecond = Rounded(bf16),
            Bf16Form = bf16?.Form,
            Int8OperationsPerSecond = Rounded(int8),
            Int8Form = int8?.Form,
        };
    }

    private static double? Rounded(MultiplyAddSample? sample) => sample is { } measured ? Math.Round(measured.OperationsPerSecond) : null;

    // Powers of two, and all cores.
    private static List<int> ThreadCounts(int cores)
    {
        var counts = new List<int>();
        for (var count = 1; count < cores; count *= 2)
            counts.Add(count);
        counts.Add(cores);
        return counts;
    }
}
