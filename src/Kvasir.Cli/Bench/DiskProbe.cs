using System.Diagnostics;
using Kvasir.Cli.Terminal;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Machine;

namespace Kvasir.Cli.Bench;

/// <summary>How fast the disk is on which a folder lies, read past the page cache.</summary>
internal static class DiskProbe
{
    private const int Passes = 3;

    // Reads of other sizes and depths say little more: rates of disks move more from one minute to the next.
    private static readonly int[] Sizes = [4 << 10, 16 << 10, 64 << 10, 128 << 10];
    private static readonly int[] Depths = [1, 4, 8, 16, 32];
    private static readonly (int Bytes, int Depth)[] Streams = [(128 << 10, 1), (1 << 20, 1), (1 << 20, 2), (2 << 20, 2)];

    /// <param name="probeBytes">Twice as many are written to the disk, and given back; each measurement takes as long as 2 GB/s take for them.</param>
    /// <exception cref="KvasirException">The folder is missing, or has no room.</exception>
    public static DiskReport Report(string folder, long probeBytes, CancellationToken cancellation)
    {
        try
        {
            using var file = DirectFile.Create(folder, 2 * probeBytes / DiskWriteProbe.WriteBytes * DiskWriteProbe.WriteBytes);
            var write = DiskWriteProbe.Fill(file);
            var sync = Stopwatch.GetTimestamp();
            file.Sync();
            var syncMs = Stopwatch.GetElapsedTime(sync).TotalMilliseconds;
            (int Bytes, int Depth, bool IsSequential)[] cells =
            [
                .. Streams.Select(static stream => (stream.Bytes, stream.Depth, true)),
                .. Sizes.SelectMany(static size => Depths.Select(depth => (size, depth, false))),
            ];
            var samples = Array.ConvertAll(cells, static _ => new List<DiskReadSample>());
            // Pass by pass, so that those of one cell lie seconds apart.
            for (var cell = 0; cell < Passes * cells.Length && !cancellation.IsCancellationRequested; cell++)
            {
                var (bytes, depth, isSequential) = cells[cell % cells.Length];
                samples[cell % cells.Length].Add(DiskReadProbe.Measure(file, bytes, depth, isSequential, probeBytes / 2e6));
            }

            return new DiskReport(
                Path.GetFullPath(folder), file.WhyCached is null, file.WhyCached, file.Bytes, Math.Round(write), Math.Round(syncMs, 3),
                [.. cells.Zip(samples).Where(static cell => cell.Second.Count > 0).Select(static cell => Row(cell.First, cell.Second))]);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"the disk of {Printable.Line(folder)} cannot be measured: {problem.Message}", problem);
        }
    }

    private static DiskReadReport Row((int Bytes, int Depth, bool IsSequential) cell, List<DiskReadSample> samples)
    {
        samples.Sort(static (a, b) => a.ReadsPerSecond.CompareTo(b.ReadsPerSecond));
        var median = samples[samples.Count / 2];
        return new DiskReadReport(
            cell.IsSequential ? "sequential" : "random", cell.Bytes, cell.Depth, Math.Round(median.ReadsPerSecond, 1), Math.Round(samples[0].ReadsPerSecond, 1),
            Math.Round(median.ReadsPerSecond * cell.Bytes), Math.Round(median.MedianUs, 1), Math.Round(median.SlowUs, 1), Math.Round(median.CpuUs, 1));
    }
}
