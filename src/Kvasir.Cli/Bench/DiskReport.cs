namespace Kvasir.Cli.Bench;

/// <summary>How fast the disk of a folder is.</summary>
/// <param name="IsDirect">Whether reads passed the page cache.</param>
/// <param name="WhyCached">Why they did not; null where they did.</param>
/// <param name="FileBytes">Of the file that was written and read.</param>
/// <param name="WriteBytesPerSecond">In pieces of 1 MiB, one at a time, into space that the file system had given before.</param>
/// <param name="SyncMs">Until what was written had reached the device.</param>
internal sealed record DiskReport(
    string Folder, bool IsDirect, string? WhyCached, long FileBytes, double WriteBytesPerSecond, double SyncMs, DiskReadReport[] Reads);

/// <summary>Reads of one size, by as many threads as reads are under way: the median of three passes, and the slowest of them.</summary>
/// <param name="Order">sequential or random.</param>
/// <param name="ReadBytes">Of one read.</param>
/// <param name="Depth">Reads under way.</param>
/// <param name="MedianUs">Time that a read takes.</param>
/// <param name="SlowUs">The same, which 1 of 100 exceed.</param>
/// <param name="CpuUs">Time of a processor that it takes.</param>
internal sealed record DiskReadReport(
    string Order, int ReadBytes, int Depth, double ReadsPerSecond, double WorstReadsPerSecond, double BytesPerSecond,
    double MedianUs, double SlowUs, double CpuUs);
