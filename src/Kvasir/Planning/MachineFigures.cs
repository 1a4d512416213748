using System.Text.Json;
using System.Text.Json.Serialization;
using Kvasir.Files;

namespace Kvasir.Planning;

/// <summary>
/// How fast a machine is, as plans reckon with it: measured here (<see cref="MachineMeasurement"/>), or taken from a file or a profile for one that is
/// elsewhere. Where tables are empty, times follow from the two rates of memory and arithmetic.
/// </summary>
public sealed record MachineFigures
{
    private const string Nested = "figures";
    private const string Report = "machine";
    private const double MostRate = 1e18;
    private const long LimitBytes = 16 << 20;

    public required string Name { get; init; }

    /// <summary>Where the figures come from, in words.</summary>
    public required string Source { get; init; }

    /// <summary>Threads that compute at once; 1 for a device that is counted as a whole.</summary>
    public required int Cores { get; init; }

    /// <summary>Of the memory in which keys and values are attended.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>How fast all cores together read it.</summary>
    public required double ReadBytesPerSecond { get; init; }

    /// <summary>Multiplications and additions of all cores together, in the form that products take.</summary>
    public required double OperationsPerSecond { get; init; }

    /// <summary>What a layer takes beside its matrices and its attention.</summary>
    public double LayerMs { get; init; }

    /// <summary>Of products with matrices, by how these are stored and with how many rows at once.</summary>
    public IReadOnlyList<MatrixSpeed> Matrices { get; init; } = [];

    /// <summary>Of attention to cached rows.</summary>
    public IReadOnlyList<AttentionSpeed> Attention { get; init; } = [];

    /// <summary>Where rows lie that have no place in memory; null where there is nothing.</summary>
    public StoreSpeed? Store { get; init; }

    /// <summary>Reads what <see cref="Text"/> wrote, by itself or within what <c>kvasir bench --machine --json</c> writes.</summary>
    /// <exception cref="KvasirException">The file is missing, no such file, or has a number out of range.</exception>
    public static MachineFigures Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            using var json = JsonDocument.Parse(PlainText.ReadFile(path, LimitBytes));
            var root = json.RootElement;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(Report, out var report) && report.ValueKind == JsonValueKind.Object)
                root = report;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(Nested, out var nested))
                root = nested;
            var figures = root.Deserialize(PlanningJson.Default.MachineFigures) ?? throw new JsonException("it is null");
            figures.RequireSound(path);
            return figures;
        }
        catch (JsonException problem)
        {
            throw new KvasirException(
                KvasirError.BadFile,
                $"{MessageText.Line(path)} has no figures of a machine, as kvasir bench --machine --json writes: {problem.Message}", problem);
        }
    }

    /// <summary>As JSON.</summary>
    public string Text() => JsonSerializer.Serialize(this, PlanningJson.Default.MachineFigures);

    /// <summary>The same machine, so many times as fast in all but its store.</summary>
    public MachineFigures Faster(double factor) => this with
    {
        Cores = (int)Math.Round(Cores * factor),
        ReadBytesPerSecond = ReadBytesPerSecond * factor,
        OperationsPerSecond = OperationsPerSecond * factor,
        Matrices = [.. Matrices.Select(speed => speed with { BytesPerSecond = speed.BytesPerSecond * factor })],
        Attention = [.. Attention.Select(speed => speed.Faster(factor))],
    };

    internal void RequireSound(string path)
    {
        Require(Cores, 1, 65_536, "cores");
        Require(MemoryBytes, 1 << 20, MostRate, "memoryBytes");
        Require(ReadBytesPerSecond, 1, MostRate, "readBytesPerSecond");
        Require(OperationsPerSecond, 1, MostRate, "operationsPerSecond");
        Require(LayerMs, 0, 1e6, "layerMs");
        if (Matrices.Contains(null!) || Attention.Contains(null!))
            throw new KvasirException(KvasirError.BadFile, $"{path}: matrices and attention hold null, where a measurement was expected");
        foreach (var speed in Matrices)
        {
            Require(speed.Rows, 1, int.MaxValue, "matrices.rows");
            Require(speed.BytesPerSecond, 1, MostRate, "matrices.bytesPerSecond");
        }

        foreach (var speed in Attention)
        {
            Require(speed.Dim, 1, 65_536, "attention.dim");
            Require(speed.GroupHeads, 1, 65_536, "attention.groupHeads");
            Require(speed.HeadUs, 0, 1e9, "attention.headUs");
            Require(speed.RowNs, 0, 1e9, "attention.rowNs");
            Require(speed.PairNs, 0, 1e9, "attention.pairNs");
            Require(speed.Rows, 0, int.MaxValue, "attention.rows");
            Require(speed.RowShare, 0, 1, "attention.rowShare");
        }

        if (Store is not { } store)
            return;
        Require(store.BytesPerSecond, 1, MostRate, "store.bytesPerSecond");
        Require(store.WriteBytesPerSecond, 1, MostRate, "store.writeBytesPerSecond");
        Require(store.ReadsPerSecond, 1, MostRate, "store.readsPerSecond");
        Require(store.LatencyUs, 0, 1e9, "store.latencyUs");
        Require(store.CpuUs, 0, 1e9, "store.cpuUs");
        Require(store.LayerUs, 0, 1e9, "store.layerUs");
        Require(store.WorstReadsPerSecond, 0, MostRate, "store.worstReadsPerSecond");

        void Require(double value, double least, double most, string key)
        {
            // Written so that NaN fails.
            if (!(value >= least && value <= most))
                throw new KvasirException(KvasirError.BadFile, FormattableString.Invariant($"{path}: {key} is {value}, and must be from {least} to {most}"));
        }
    }
}

/// <summary>Products with matrices of one type.</summary>
/// <param name="Type">As <see cref="Kvasir.Kernels.Matrix.WeightType"/> names it.</param>
/// <param name="Rows">Rows that are multiplied at once.</param>
/// <param name="BytesPerSecond">Of the matrices, as they are stored.</param>
public sealed record MatrixSpeed(string Type, int Rows, double BytesPerSecond);

/// <summary>Attention to cached rows under one policy, of a layer of heads of one shape.</summary>
/// <param name="Policy">Its name with options; dense for all rows.</param>
/// <param name="Kv">How rows are stored.</param>
/// <param name="Dim">Elements of a head.</param>
/// <param name="GroupHeads">Query heads that share a KV head.</param>
/// <param name="HeadUs">Of a KV head, whatever is in sight.</param>
/// <param name="RowNs">Of a KV head, for each row in sight, whether it is read or ranked.</param>
public sealed record AttentionSpeed(string Policy, string Kv, int Dim, int GroupHeads, double HeadUs, double RowNs)
{
    /// <summary>Rows that a head reads whatever is in sight.</summary>
    public double Rows { get; init; }

    /// <summary>Of the rows in sight, those that it reads beside these.</summary>
    public double RowShare { get; init; } = 1;

    /// <summary>Of a prompt: for each of its rows, each row in sight, and each query head; 0 where it was not measured.</summary>
    public double PairNs { get; init; }

    internal AttentionSpeed Faster(double factor) => this with { HeadUs = HeadUs / factor, RowNs = RowNs / factor, PairNs = PairNs / factor };
}

/// <summary>Where rows lie that have no place in memory: a disk, or another memory behind a link.</summary>
/// <param name="What">In words.</param>
/// <param name="ReadsPerSecond">Of 16 KiB and less, with eight under way.</param>
/// <param name="BytesPerSecond">Of large reads.</param>
/// <param name="LatencyUs">Of one read alone.</param>
/// <param name="CpuUs">Time of a processor that a read takes.</param>
/// <param name="WriteBytesPerSecond">Of large writes.</param>
public sealed record StoreSpeed(
    string What, double ReadsPerSecond, double BytesPerSecond, double LatencyUs, double CpuUs, double WriteBytesPerSecond)
{
    /// <summary>What a layer of which something is missing waits beside that: threads that are woken while all processors compute.</summary>
    public double LayerUs { get; init; }

    /// <summary>The fewest reads a second of several passes; 0 where that is not known.</summary>
    public double WorstReadsPerSecond { get; init; }
}
