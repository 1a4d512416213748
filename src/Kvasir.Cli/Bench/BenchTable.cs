using System.Globalization;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Shared.Flags;

namespace Kvasir.Cli.Bench;

/// <summary>A <see cref="BenchReport"/> for people: aligned columns, or Markdown.</summary>
internal static class BenchTable
{
    private const string None = "-";
    private const string AuditTitle = "audit ms/layer";
    private const string HitsTitle = "in memory";
    private const string DiskTitle = "disk/step";
    private const string OrderTitle = "order";
    private const string AgainTitle = "again";
    private static readonly string[] FileTitles = [HitsTitle, DiskTitle, OrderTitle, AgainTitle];

    private static readonly (string Title, Func<BenchRow, string> Cell)[] Columns =
    [
        ("depth", static row => SizeText.Count(row.Depth)),
        ("batch", static row => SizeText.Count(row.Batch)),
        ("attention", static row => row.Attention),
        ("prompt", static row => row.PrefillTokens is { } tokens ? SizeText.Count(tokens) : None),
        ("prefill tok/s", static row => Number(row.PrefillTokensPerSecond)),
        ("decode tok/s", static row => Number(row.DecodeTokensPerSecond)),
        ("linear ms", static row => Number(row.LinearMsPerStep)),
        ("attention ms/layer", static row => Number(row.AttentionMsPerLayer)),
        ("choosing ms/layer", static row => row.SelectionMsPerLayer is 0 ? None : Number(row.SelectionMsPerLayer)),
        (AuditTitle, static row => Number(row.AuditMsPerLayer)),
        ("keys read", static row =>
            row.KeysReadShare is { } share ? share.ToString("P1", CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal) : None),
        ("read/step", static row => row.BytesPerStep is { } bytes ? SizeText.Bytes(bytes) : None),
        (OrderTitle, static row => row.KvEvict ?? None),
        (AgainTitle, static row => row.KvPages is { } pages
            ? FormattableString.Invariant($"{100.0 * pages.UsedAgain / Math.Max(1, pages.Hits + pages.Misses):0.0}%") : None),
        (HitsTitle, static row => row.KvPages is { } pages
            ? FormattableString.Invariant($"{100.0 * pages.Hits / Math.Max(1, pages.Hits + pages.Misses):0.0}%") : None),
        (DiskTitle, static row => row.KvPages is { } pages && row.DecodeTokens is > 0 and var tokens
            ? pages.Misses == 0 ? "no page" : SizeText.Bytes(pages.ReadBytes / ((long)row.Repeat * tokens)) : None),
        ("of floor", static row =>
            row.FloorShare is { } share ? share.ToString("P0", CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal) : None),
        ("peak", static row => SizeText.Bytes(row.PeakBytes)),
    ];

    public static void WriteText(BenchReport report, TextWriter output)
    {
        output.WriteLine(report.Machine.Cpu);
        foreach (var row in MachineRows(report.Machine))
            output.WriteLine($"  {row[0],-8}  {row[1]}");
        if (report.Machine.MultiplyAdd is not null)
            WriteAligned("floors", FloorRows(report.Machine), output);
        if (report.Machine.Disk is { } disk)
            WriteAligned(DiskHeading(disk), DiskRows(disk), output);
        if (report.Results.Length == 0)
            return;
        WriteAligned(Heading(report), ResultRows(report), output);
        output.WriteLine(Legend(report));
    }

    public static void WriteMarkdown(BenchReport report, TextWriter output)
    {
        foreach (var row in (string[][])[["machine", report.Machine.Cpu], .. MachineRows(report.Machine)])
            output.WriteLine($"- {row[0]}: {row[1]}");
        output.WriteLine();
        if (report.Machine.MultiplyAdd is not null)
            WriteMarkdown(FloorRows(report.Machine), output);
        if (report.Machine.Disk is { } disk)
        {
            output.WriteLine($"{DiskHeading(disk)}\n");
            WriteMarkdown(DiskRows(disk), output);
        }

        if (report.Results.Length == 0)
            return;
        output.WriteLine($"{Heading(report)}\n");
        WriteMarkdown(ResultRows(report), output);
        output.WriteLine($"\n{Legend(report)}");
    }

    // Titles and figures stand to the right; words, which the last column may hold, to the left.
    private static void WriteAligned(string heading, List<string[]> rows, TextWriter output)
    {
        output.WriteLine($"\n{heading}");
        var widths = Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(row => row[i].Length)).ToArray();
        foreach (var row in rows)
            output.WriteLine(
                $"  {string.Join("  ", row.Select((cell, i) => IsWords(rows[^1][i]) ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i]))).TrimEnd()}");
    }

    private static bool IsWords(string cell) => cell.Length > 1 && !char.IsAsciiDigit(cell[0]);

    private static void WriteMarkdown(List<string[]> rows, TextWriter output)
    {
        for (var i = 0; i < rows.Count; i++)
        {
            output.WriteLine($"| {string.Join(" | ", rows[i])} |");
            if (i == 0)
                output.WriteLine($"|{string.Concat(Enumerable.Repeat("---:|", rows[i].Length))}");
        }
    }

    // Audits are rare, and their column would be empty without.
    private static List<string[]> ResultRows(BenchReport report)
    {
        var audits = report.Results.Any(static row => row.AuditMsPerLayer is not null);
        var reads = report.Results.Any(static row => row.KvPages is not null);
        var columns = Array.FindAll(Columns, column => (audits || column.Title != AuditTitle) && (reads || !FileTitles.Contains(column.Title)));
        return [[.. columns.Select(static column => column.Title)], .. report.Results.Select(row => columns.Select(column => column.Cell(row)).ToArray())];
    }

    private static List<string[]> MachineRows(MachineReport machine) =>
    [
        ["cores", $"{machine.PhysicalCores} ({machine.Threads} threads){string.Concat(machine.InstructionSets.Select(static set => $", {set}"))}"],
        .. machine.UnusedInstructionSets is { } unused
            ? new[] { new[] { "unused", $"{string.Join(", ", unused)}: the processor has them, this build or its settings do not" } }
            : [],
        [
            "memory",
            SizeText.Bytes(machine.MemoryBytes) + string.Concat(machine.Bandwidth.Select(static sample =>
                $", {Threads(sample.Threads)} {(sample.Threads == 1 ? "reads" : "read")} {Giga(sample.BytesPerSecond)} GB/s")),
        ],
        ["software", $"kvasir {machine.Kvasir}, {machine.Dotnet}, {machine.Os}"],
    ];

    private static string DiskHeading(DiskReport disk) =>
        $"disk of {disk.Folder}, {(disk.IsDirect ? "past the page cache" : $"by the page cache ({disk.WhyCached})")}: "
            + $"{SizeText.Bytes(disk.FileBytes)} written at {Giga(disk.WriteBytesPerSecond)} GB/s, synced in {Number(disk.SyncMs)} ms";

    private static List<string[]> DiskRows(DiskReport disk) =>
    [
        ["order", "read", "depth", "reads/s", "worst reads/s", "GB/s", "median us", "p99 us", "CPU us"],
        .. disk.Reads.Select(static read => new[]
        {
            read.Order, SizeText.Bytes(read.ReadBytes), SizeText.Count(read.Depth), Number(read.ReadsPerSecond), Number(read.WorstReadsPerSecond),
            Giga(read.BytesPerSecond), Number(read.MedianUs), Number(read.SlowUs), Number(read.CpuUs),
        }),
    ];

    private static List<string[]> FloorRows(MachineReport machine) =>
    [
        ["threads", "read GB/s", "best GB/s", "f32 GFLOP/s", "bf16 GFLOP/s", "int8 GOP/s", "forms"],
        .. machine.Bandwidth.Zip(machine.MultiplyAdd!, static (read, compute) => new[]
        {
            SizeText.Count(read.Threads), Giga(read.BytesPerSecond), Giga(read.BestBytesPerSecond),
            Giga(compute.F32OperationsPerSecond), Giga(compute.Bf16OperationsPerSecond), Giga(compute.Int8OperationsPerSecond),
            string.Join(", ", new[] { ("f32", compute.F32Form), ("bf16", compute.Bf16Form), ("int8", compute.Int8Form) }
                .Where(static form => form.Item2 is not null).Select(static form => $"{form.Item1} {form.Item2}")),
        }),
    ];

    private static string Heading(BenchReport report)
    {
        var row = report.Results[0];
        var layers = row.Layers is { } count ? $" ({(count == 1 ? "one layer" : $"{count} layers")} only)" : "";
        return $"{row.Model}{layers}, weights {row.Weights}, KV {row.Kv}, {Threads(row.Threads)}, "
            + $"median of {row.Repeat}{(report.Partial == true ? ", interrupted: not all cases" : "")}";
    }

    private static string Legend(BenchReport report)
    {
        var fills = report.Results.Where(static row => row.Depth > 0).Select(static row => row.Fill).Distinct().ToArray();
        var fill = fills is ["random"] ? "\nThe cache was filled with random keys and values, not computed."
            : fills is ["prefill"] ? "\nThe cache was computed from random tokens."
            : "";
        var reads = report.Results.Any(static row => row.KvPages is not null)
            ? "\nAgain: pages of a step that the one before used too; in memory: those that were there when the step came to them." : "";
        return "linear, attention, read and floor are of a decode step; 100% of the floor is reading its bytes at the memory bandwidth measured beside it."
            + fill + reads;
    }

    private static string Threads(int count) => $"{count} {(count == 1 ? "thread" : "threads")}";

    private static string Number(double? value) => value switch
    {
        null => None,
        >= 99.95 => value.Value.ToString("F0", CultureInfo.InvariantCulture),
        >= 9.995 => value.Value.ToString("F1", CultureInfo.InvariantCulture),
        >= 0.9995 => value.Value.ToString("F2", CultureInfo.InvariantCulture),
        _ => value.Value.ToString("F3", CultureInfo.InvariantCulture),
    };

    private static string Giga(double? value) => value is { } measured ? Number(measured / 1e9) : None;
}
