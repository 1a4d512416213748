using System.Text.Json.Serialization;
using Kvasir.Planning;

namespace Kvasir.Cli.Bench;

/// <summary>What a bench ran on.</summary>
/// <param name="Threads">Logical processors that this process may use.</param>
/// <param name="MemoryBytes">Of the machine, or of this process's limit.</param>
/// <param name="InstructionSets">That kernels use and this process may.</param>
/// <param name="UnusedInstructionSets">That the processor has and this process may not use; null for none.</param>
/// <param name="Bandwidth">Reading memory, by thread count.</param>
/// <param name="MultiplyAdd">By thread count, where asked for.</param>
internal sealed record MachineReport(
    string Cpu, int PhysicalCores, int Threads, long MemoryBytes, string Os, string Dotnet, string Kvasir, IReadOnlyList<string> InstructionSets,
    IReadOnlyList<string>? UnusedInstructionSets, BandwidthReport[] Bandwidth, MultiplyAddReport[]? MultiplyAdd)
{
    /// <summary>Where asked for.</summary>
    public DiskReport? Disk { get; init; }

    /// <summary>What <c>kvasir plan --machine</c> reads, where asked for.</summary>
    public MachineFigures? Figures { get; init; }
}

/// <param name="BytesPerSecond">The median of several runs.</param>
internal sealed record BandwidthReport(int Threads, double BytesPerSecond, double BestBytesPerSecond);

/// <summary>Operations, two for each multiply-add, and the instructions that give most of them; null where the machine has none.</summary>
internal sealed record MultiplyAddReport(int Threads)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? F32OperationsPerSecond { get; init; }

    public string? F32Form { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? Bf16OperationsPerSecond { get; init; }

    public string? Bf16Form { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double? Int8OperationsPerSecond { get; init; }

    public string? Int8Form { get; init; }
}
