using Kvasir.Kernels.Matrix;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Measurement;
using Kvasir.Models;
using Kvasir.Planning;

namespace Kvasir.Cli.Bench;

/// <summary><c>kvasir bench</c>: how fast a model runs here, or how fast the machine is.</summary>
internal sealed class BenchCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Markdown = new("--markdown", "Write the table as Markdown");
    private static readonly SwitchFlag Layers = new("--layers", "Write below the table what each layer read, too; JSON always has it");
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object with the machine and a row for each case instead of the table");

    public override string Name => "bench";

    public override string Summary => "Measure prefill and decode speed at depth against what the machine's memory allows, or the machine itself";

    public override IReadOnlyList<Operand> Operands => [BenchFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [.. BenchFlags.Groups, new("Output", Markdown, Layers, Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir bench model.gguf --prefill 512,4096 --depth 0,4096",
        "kvasir bench --synthetic llama3.2-1b --weights q8_0 --depth 0,32k,96k --fill random --kv q8",
        "kvasir bench --synthetic llama3.1-8b:4 --batch 1,4,16 --prefill 0 --json | jq .results",
        "kvasir bench model.gguf --trace pages.txt --depth 32k --attention quest",
        "kvasir bench --machine --kv-dir /var/cache/kvasir",
        "kvasir bench --machine --json > here.json; kvasir plan model.gguf --machine here.json",
    ];

    public override string Notes => """
        A row of depth D has the speed of --prefill tokens on top of D tokens, and of decoding from there on.
        Prefill is of one sequence; decode tok/s are those of all sequences of the batch together.
        "of floor" compares a decode step with reading its weights, keys and values at the memory bandwidth
        that was measured just before and after it. Random weights have the speed of real ones, and with
        --fill random so has dense attention; a sparse policy needs real text to say anything.
        Ctrl-C ends with the cases that were measured until then.
        """;

    public override string? Refusal(TypedCommand typed) =>
        BenchFlags.Refusal(typed) ?? (typed.Is(Markdown) && typed.Is(Json) ? "--markdown and --json were given; one of them is allowed" : null)
        ?? (typed.Has(BenchFlags.Trace) && (typed.Is(Markdown) || typed.Is(Json) || typed.Is(Layers))
            ? "--trace writes its file and a table; --markdown, --json and --layers are of speeds" : null);

    public override int Run(TypedCommand typed)
    {
        shell.RequireOutput();
        using var cancel = new CancellationTokenSource();
        if (typed.Find(BenchFlags.Trace) is { } path)
            return RecordTrace(typed, path, cancel);
        BenchReport? report = null;
        shell.Interrupts.Guard(
            cancel.Cancel, () => report = typed.Is(BenchFlags.Machine) ? MeasureMachine(typed, cancel.Token) : MeasureModel(typed, cancel.Token));
        Write(report!, typed);
        if (report!.Partial != true)
            return ExitCode.Ok;
        shell.Note("interrupted; these are the cases that were measured until then");
        return shell.Interrupts.Code;
    }

    private int RecordTrace(TypedCommand typed, string path, CancellationTokenSource cancel)
    {
        ReportFile.RequireWritable(path);
        var (plan, run) = (BenchFlags.Read(typed), BenchFlags.TraceOf(typed));
        using var model = Load(typed);
        PageTrace? trace = null;
        using (Progress(typed, () => $"reading {SizeText.TokenCount(run.Tokens)} and generating {SizeText.Count(run.Steps)}"))
            shell.Interrupts.Guard(cancel.Cancel, () => trace = run.Record(model, (plan.Kv, plan.Threads, plan.KvMemoryBytes), cancel.Token));
        if (trace is null)
            return shell.Interrupts.Code;
        ReportFile.Write(path, trace.Write);
        TraceRun.WriteTable(trace, shell.Output);
        if (!typed.Is(OutputFlags.Quiet))
            shell.Note($"wrote {Printable.Line(path)}: plan --trace {Printable.Line(path)} reckons with it");
        return ExitCode.Ok;
    }

    private BenchReport MeasureMachine(TypedCommand typed, CancellationToken cancellation)
    {
        var folder = typed.Find(BenchFlags.KvDir) ?? Path.GetTempPath();
        MachineReport machine;
        DiskReport disk;
        // First, since a folder may be wrong: that is said before the rest takes its seconds.
        using (Progress(typed, () => $"measuring the disk of {Printable.Line(folder)}"))
            disk = DiskProbe.Report(folder, shell.ProbeBytes, cancellation);
        using (Progress(typed, static () => "measuring memory and arithmetic"))
            machine = MachineProbe.Report(computes: true, shell.ProbeBytes, cancellation) with { Disk = disk };
        // Half a minute that the table has no use for.
        if (typed.Is(Json) && !cancellation.IsCancellationRequested)
            machine = machine with { Figures = Figures(typed, folder, cancellation) };
        return new BenchReport(machine, cancellation.IsCancellationRequested ? true : null, []);
    }

    // What plans reckon with; null when it was interrupted.
    private MachineFigures? Figures(TypedCommand typed, string folder, CancellationToken cancellation)
    {
        var measurement = new MachineMeasurement { ProbeBytes = shell.ProbeBytes };
        using var progress = Progress(typed, () => measurement.Stage);
        try
        {
            return measurement.Measure(folder, cancellation);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private BenchReport MeasureModel(TypedCommand typed, CancellationToken cancellation)
    {
        var plan = BenchFlags.Read(typed);
        // Before weights are made, which takes seconds, and again with what memory they leave.
        if (typed.Find(BenchFlags.Synthetic) is { } shape)
            plan.RequireFits(shape.Config);
        using var model = Load(typed);
        var planned = PlannedOptions.Read(typed);
        plan = BenchFlags.Obey(plan, planned, typed, model);
        if (planned is not null)
            PlannedOptions.Warn(shell, typed, planned, ModelSizes.Of(model), plan.KvDirectory);
        plan.RequireFits(model.Config);
        var run = new BenchRun(plan, model, Template(typed, plan, model), shell.ProbeBytes, cancellation);
        var machine = Machine(typed, cancellation);
        var isPartial = false;
        using (Progress(typed, () => run.Progress))
        {
            try
            {
                run.Measure();
            }
            catch (OperationCanceledException)
            {
                isPartial = true;
            }
        }

        if (planned is not null && !typed.Is(OutputFlags.Quiet))
        {
            shell.Note(
                $"planned for {SizeText.Count(planned.ContextTokens)} tokens: {SpeedText.Rate(planned.Chosen.TokensPerSecond)} "
                    + $"of {planned.Batch} by {planned.Chosen}");
        }

        return new BenchReport(machine, isPartial ? true : null, [.. run.Rows]);
    }

    private MachineReport Machine(TypedCommand typed, CancellationToken cancellation)
    {
        using var progress = Progress(typed, static () => "measuring memory bandwidth");
        return MachineProbe.Report(computes: false, shell.ProbeBytes, cancellation);
    }

    private Model Load(TypedCommand typed)
    {
        if (typed.Find(BenchFlags.Synthetic) is not { } shape)
            return ModelSetup.Load(shell, typed.Find(BenchFlags.Model)!, ModelFlags.Read(typed), typed.Is(OutputFlags.Quiet), shell.ErrorIsTerminal);
        using var progress = Progress(typed, () => $"making the weights of {shape.Name}");
        return Model.Synthetic(shape, typed.Get(BenchFlags.Weights), BenchFlags.SeedOf(typed), ModelFlags.Read(typed));
    }

    private static BenchRow Template(TypedCommand typed, BenchPlan plan, Model model)
    {
        var shape = typed.Find(BenchFlags.Synthetic);
        return new BenchRow
        {
            Model = shape?.Name ?? model.Config.Name,
            Weights = shape is null ? StoredTypes(model.Weights) : typed.Get(BenchFlags.Weights).ToString().ToLowerInvariant(),
            Kv = plan.Kv.Name,
            Threads = plan.Threads,
            Batch = 1,
            Depth = 0,
            Attention = "",
            Fill = "",
            Layers = shape is not null && shape.Config.LayerCount < shape.LayersOfShape ? shape.Config.LayerCount : null,
            Repeat = plan.Repeat,
            WeightBytes = model.Weights.Bytes,
            PackedBytes = model.Weights.PackedBytes,
            PeakBytes = 0,
        };
    }

    private static string StoredTypes(Weights weights) => string.Join(
        '+',
        weights.Layers.SelectMany(static layer => (WeightMatrix[])
            [
                layer.Query, layer.Key, layer.Value, layer.Output, layer.Gate, layer.Up, layer.Down,
                .. layer.Experts is { } experts ? [.. experts.Gate, .. experts.Up, .. experts.Down] : Array.Empty<WeightMatrix>(),
            ])
            .Where(static matrix => matrix.Bytes > 0)
            .GroupBy(static matrix => matrix.Type)
            .OrderByDescending(static type => type.Sum(static matrix => matrix.Bytes))
            .Select(static type => type.Key.ToString().ToLowerInvariant()));

    private void Write(BenchReport report, TypedCommand typed)
    {
        if (typed.Is(Json))
            shell.Output.WriteLine(BenchJson.Text(report));
        else if (typed.Is(Markdown))
            BenchTable.WriteMarkdown(report, shell.Output);
        else
            BenchTable.WriteText(report, shell.Output);
        if (typed.Is(Layers) && !typed.Is(Json))
            LayerLines.Write(report, shell.Output);
    }

    // Only for a person who waits: a script's log would fill with it.
    private ProgressLine Progress(TypedCommand typed, Func<string> text) => new(shell, typed.Is(OutputFlags.Quiet) || !shell.ErrorIsTerminal, text);
}
