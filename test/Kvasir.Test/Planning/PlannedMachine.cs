using Kvasir.Planning;

namespace Kvasir.Test.Planning;

/// <summary>A machine of round numbers.</summary>
internal static class PlannedMachine
{
    public const double Bandwidth = 1e9;

    /// <summary>Without tables: everything follows from its two rates.</summary>
    public static MachineFigures Bare { get; } = new()
    {
        Name = "bare",
        Source = "made up",
        Cores = 2,
        MemoryBytes = 1L << 40,
        ReadBytesPerSecond = Bandwidth,
        OperationsPerSecond = 1e12,
        Store = new StoreSpeed("made up", ReadsPerSecond: 1000, BytesPerSecond: 1e8, LatencyUs: 0, CpuUs: 0, WriteBytesPerSecond: 1e9),
    };
}
