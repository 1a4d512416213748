using Kvasir.Files;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Machine;

namespace Kvasir.Planning;

/// <summary>The disk of a folder, as the engine reads it: past the page cache, by eight threads that wait for a read each.</summary>
internal static class StoreMeasurement
{
    private const int Depth = 8;
    private const int PageReadBytes = 16 << 10;
    private const int StreamReadBytes = 128 << 10;

    // Two workers on two cores, whose engine reads over a pace: a step's time beyond its parts, by its layers (the bench's predictions measure it).
    private const double WakingUs = 500;

    /// <param name="fileBytes">Written there, and given back.</param>
    /// <param name="passes">Of each measurement, one kind after another: rates of disks move from one second to the next.</param>
    /// <exception cref="KvasirException">The folder is missing, or has no room.</exception>
    public static StoreSpeed Measure(string folder, long fileBytes, int passes, double runMs)
    {
        try
        {
            using var file = DirectFile.Create(folder, Math.Max(1, fileBytes / DiskWriteProbe.WriteBytes) * DiskWriteProbe.WriteBytes);
            var write = DiskWriteProbe.Fill(file);
            file.Sync();
            var (pages, streams, alone) = (new DiskReadSample[passes], new DiskReadSample[passes], new DiskReadSample[passes]);
            for (var i = 0; i < passes; i++)
            {
                pages[i] = DiskReadProbe.Measure(file, PageReadBytes, Depth, isSequential: false, runMs);
                streams[i] = DiskReadProbe.Measure(file, StreamReadBytes, Depth, isSequential: false, runMs);
                alone[i] = DiskReadProbe.Measure(file, PageReadBytes, 1, isSequential: false, runMs / 2);
            }

            return new StoreSpeed(
                $"disk of {Path.GetFullPath(folder)}{(file.WhyCached is null ? "" : ", through the page cache")}",
                Median(pages, static sample => sample.ReadsPerSecond), Median(streams, static sample => sample.ReadsPerSecond * StreamReadBytes),
                Median(alone, static sample => sample.MedianUs), Median(pages, static sample => sample.CpuUs), Math.Round(write))
            {
                LayerUs = WakingUs,
                WorstReadsPerSecond = Math.Round(pages.Min(static sample => sample.ReadsPerSecond)),
            };
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new KvasirException(
                KvasirError.FileNotFound, $"the disk of {MessageText.Line(folder)} cannot be measured: {problem.Message}", problem);
        }
    }

    private static double Median(DiskReadSample[] samples, Func<DiskReadSample, double> figure) =>
        Math.Round(samples.Select(figure).Order().ElementAt(samples.Length / 2), 1);
}
