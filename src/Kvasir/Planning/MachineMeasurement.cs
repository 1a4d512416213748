using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Machine;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Kernels.Threads;

namespace Kvasir.Planning;

/// <summary>Measures what <see cref="MachineFigures"/> hold of this machine, by the engine's own kernels.</summary>
/// <param name="threads">That compute; 0 for one on each physical core.</param>
public sealed class MachineMeasurement(int threads = 0)
{
    private const long LeastProbeBytes = 8 << 20;
    private static readonly WeightType[] Types = [WeightType.Q4_0, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K, WeightType.BF16];
    private static readonly int[] AllRows = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    private static readonly int[] FewRows = [1, 4, 16, 64, 512];

    /// <summary>Formats of rows that plans consider.</summary>
    public static IReadOnlyList<KvFormat> Formats => PlannedFormats.All;

    /// <summary>What is being measured, for a line that says so; from any thread.</summary>
    public string Stage { get; private set; } = "preparing";

    /// <summary>What each thread reads of memory to measure its bandwidth; less where memory is short.</summary>
    public long ProbeBytes { get; init; } = MemoryReadProbe.DefaultBytesPerThread;

    /// <summary>All that plans of any model ask: about half a minute.</summary>
    /// <param name="folder">On whose disk rows may lie.</param>
    public MachineFigures Measure(string folder, CancellationToken cancellation = default) => Measure(
        Types, Scale < 0.5 ? FewRows[..^1] : AllRows, [(64, 4), (128, 4)], Formats, (folder, 3), cancellation);

    /// <summary>What a plan of one model asks: some seconds.</summary>
    /// <param name="formats">Of rows; policies are measured over the first, and the others by dense attention alone.</param>
    /// <param name="folder">On whose disk rows may lie; null for none.</param>
    public MachineFigures MeasureFor(ModelSizes model, IReadOnlyList<KvFormat> formats, string? folder, CancellationToken cancellation = default) => Measure(
        [.. model.Matrices.Concat(model.Experts?.Matrices ?? []).Select(static matrix => Measurable(matrix.Type)).Distinct()], FewRows,
        [(model.Config.HeadDim, model.Config.Attention.GroupHeads)], formats, (folder, 1), cancellation);

    /// <summary>The two rates that move most, in a fraction of a second: of memory, and of a disk.</summary>
    /// <param name="folder">Null for none.</param>
    /// <param name="probeBytes">What each thread reads of memory.</param>
    public MachineFigures MeasureRates(string? folder, long probeBytes)
    {
        const long MostBytes = 64 << 20;
        var cores = Cores;
        var bytes = Math.Clamp(probeBytes, LeastProbeBytes, MostBytes);
        var memory = MemoryReadProbe.Measure(cores, 5, bytes).BytesPerSecond;
        return new MachineFigures
        {
            Name = Processor.Name,
            Source = "rates alone",
            Cores = cores,
            MemoryBytes = ResidentMemory.TotalBytes(),
            ReadBytesPerSecond = memory,
            OperationsPerSecond = memory,
            Store = folder is null ? null : StoreMeasurement.Measure(folder, bytes, 1, bytes / 1e6),
        };
    }

    // Figures that count want as much memory as no cache has, and the time that goes with it.
    private double Scale => Math.Clamp((double)ProbeBytes / MemoryReadProbe.DefaultBytesPerThread, 0.02, 1);

    private int Cores => threads == 0 ? ProcessorTopology.PhysicalCpus().Length : threads;

    /// <summary>The type whose speed stands for another's.</summary>
    internal static WeightType Measurable(WeightType type) => Array.IndexOf(Types, type) >= 0 ? type : type switch
    {
        WeightType.F32 or WeightType.F16 => WeightType.BF16,
        WeightType.Q4_1 or WeightType.Q5_0 or WeightType.Q5_1 or WeightType.IQ4_NL or WeightType.MXFP4 => WeightType.Q4_0,
        WeightType.Q5_K => WeightType.Q6_K,
        _ => WeightType.Q4_K,
    };

    private MachineFigures Measure(
        WeightType[] types, int[] rows, (int Dim, int GroupHeads)[] heads, IReadOnlyList<KvFormat> formats, (string? Folder, int Passes) disk,
        CancellationToken cancellation)
    {
        var cores = Cores;
        Stage = "measuring memory";
        var memory = MemoryReadProbe.Measure(
            cores, 5, Math.Clamp(ResidentMemory.AvailableBytes() / 4 / cores, LeastProbeBytes, Math.Max(LeastProbeBytes, ProbeBytes)));
        var operations = MultiplyAddProbe.Measure(MultiplyAddKind.F32, cores, 5)?.OperationsPerSecond ?? memory.BytesPerSecond;
        using var workers = new WorkerPool(cores, pinned: threads == 0);
        var matrices = Matrices(types, rows, workers, cancellation);
        var (attention, layerMs) = Attention(heads, formats, workers, cancellation);
        Stage = "measuring the disk";
        cancellation.ThrowIfCancellationRequested();
        var figures = new MachineFigures
        {
            Name = Processor.Name,
            Source = $"measured on {DateTime.UtcNow:yyyy-MM-dd} with {cores} {(cores == 1 ? "thread" : "threads")}",
            Cores = cores,
            MemoryBytes = ResidentMemory.TotalBytes(),
            ReadBytesPerSecond = Math.Round(memory.BytesPerSecond),
            OperationsPerSecond = Math.Round(operations),
            LayerMs = Math.Round(layerMs, 4),
            Matrices = matrices,
            Attention = attention,
            Store = disk.Folder is null ? null : StoreMeasurement.Measure(disk.Folder, Math.Max(LeastProbeBytes, ProbeBytes), disk.Passes, ProbeBytes / 2e6),
        };
        return figures;
    }

    private List<MatrixSpeed> Matrices(WeightType[] types, int[] rows, WorkerPool workers, CancellationToken cancellation)
    {
        var speeds = new List<MatrixSpeed>();
        foreach (var type in types)
        {
            Stage = $"measuring products with {type}";
            using var measured = new MatrixMeasurement(type, workers, Scale);
            foreach (var count in rows)
            {
                cancellation.ThrowIfCancellationRequested();
                speeds.Add(measured.Measure(count));
            }
        }

        return speeds;
    }

    // All policies over rows of the first format; how others are attended follows from dense attention to them.
    private (List<AttentionSpeed> Speeds, double LayerMs) Attention(
        (int Dim, int GroupHeads)[] heads, IReadOnlyList<KvFormat> formats, WorkerPool workers, CancellationToken cancellation)
    {
        var (speeds, layerMs) = (new List<AttentionSpeed>(), 0.0);
        foreach (var shape in heads)
        {
            foreach (var format in formats)
            {
                var measured = new AttentionMeasurement(format, shape, workers, Scale);
                foreach (var spec in format == formats[0] ? PlannedPolicies.Measured : [PolicyCatalog.Dense.Spec])
                {
                    Stage = $"measuring attention to {format.Name} rows of {shape.Dim} by {spec.Entry.Name}";
                    speeds.Add(measured.Measure(spec, cancellation));
                    layerMs = spec.Entry == PolicyCatalog.Dense.Spec.Entry ? measured.LayerMs : layerMs;
                }
            }
        }

        return (speeds, layerMs);
    }
}
