using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Planning;

namespace Kvasir.Cli.Plan;

/// <summary><c>kvasir plan</c>: how long a context fits, how fast it will be, and what a larger machine would change.</summary>
internal sealed class PlanCommand(Shell shell) : Verb
{
    private static readonly ValueFlag<string> Out = new(
        "--out", "Write the plan as a file, which --plan of run, serve and bench obeys", FlagValues.WrittenFile)
    { Elsewhere = ["-o", "--output"] };

    private static readonly SwitchFlag Json = OutputFlags.Json("Write the plan as JSON instead of the table");

    public override string Name => "plan";

    public override string Summary => "Say how long a context fits into memory and disk, how fast it will be, and what a larger machine would change";

    public override IReadOnlyList<Operand> Operands => [PlanFlags.Model];

    public override IReadOnlyList<FlagGroup> Flags => [.. PlanFlags.Groups, new("Output", Out, Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir plan model.gguf --context 128k",
        "kvasir plan model.gguf --context 8k --batch auto --target speed",
        "kvasir plan llama3.1-8b --context 128k --batch 4 --memory 24GiB --disk 100GiB --kv-dir /var/tmp",
        "kvasir plan llama3.1-8b --context 128k --machine a100-80 --disk 200GiB",
        "kvasir plan model.gguf --context 128k --disk 100GiB --trace pages.txt",
        "kvasir plan model.gguf --context 64k --memory 8GiB --out long.plan",
        "kvasir run model.gguf --plan long.plan --file book.txt",
    ];

    public override string Notes => """
        A row is a way to have that context: a policy and a format of keys and values, in memory or with the rest on disk.
        Speeds are of all sequences together with their contexts full. The way with a star is the one that --plan would take:
        of those that lose no answers by docs/choosing-a-policy.md and are at least half as fast as the fastest, the most
        exact (quality) or the smallest (memory); or the fastest (speed). Without --machine this one is measured, for some
        seconds and for this model alone; bench --machine measures for half a minute, for any model. Times are reckoned from
        that; pages that steps find in memory are those of texts, and other texts may be kinder or harsher: bench --trace records some.
        """;

    public override string? Refusal(TypedCommand typed) => PlanFlags.Refusal(typed);

    public override int Run(TypedCommand typed)
    {
        shell.RequireOutput();
        var path = typed.Find(Out);
        if (path is not null)
            ReportFile.RequireWritable(path);
        var model = PlanFlags.Sizes(typed);
        var request = PlanFlags.Request(typed, model.Config);
        // What leaves memory comes back from where it lies.
        var folder = typed.Find(PlanFlags.KvDirectory) ?? (PlanFlags.HasDisk(typed) || model.ResidentBytes > request.MemoryBytes ? Path.GetTempPath() : null);
        if (Machine(typed, model, folder) is not { } machine)
            return shell.Interrupts.Code;
        // A machine that is not here has its own memory.
        if (!PlanFlags.HasMemory(typed) && PlanFlags.Named(typed) is not null)
            request = request with { MemoryBytes = machine.MemoryBytes / 10 * 9 };
        var planner = new TierPlanner(model, machine);
        var plan = planner.Plan(request) with { KvDirectory = typed.Find(PlanFlags.KvDirectory) };
        if (typed.Is(Json))
            shell.Output.WriteLine(plan.Text());
        else
            PlanTable.Write(plan, model, Purchases.Of(planner, model, plan, request with { Batch = plan.Batch }), shell.Output);
        if (path is null)
            return ExitCode.Ok;
        ReportFile.Write(path, writer => writer.WriteLine(plan.Text()));
        if (!typed.Is(OutputFlags.Quiet))
            shell.Note($"wrote {Printable.Line(path)}: --plan {Printable.Line(path)} of run, serve and bench obeys it");
        return ExitCode.Ok;
    }

    // Null when it was interrupted.
    private MachineFigures? Machine(TypedCommand typed, ModelSizes model, string? folder)
    {
        if (PlanFlags.Named(typed) is { } named)
            return named;
        var quiet = typed.Is(OutputFlags.Quiet);
        if (!quiet)
            shell.Note("no --machine: this one is measured for this model, which takes some seconds");
        var measurement = new MachineMeasurement(PlanFlags.Threads(typed)) { ProbeBytes = shell.ProbeBytes };
        MachineFigures? figures = null;
        using var cancel = new CancellationTokenSource();
        using var progress = new ProgressLine(shell, quiet || !shell.ErrorIsTerminal, () => measurement.Stage);
        shell.Interrupts.Guard(cancel.Cancel, () =>
        {
            try
            {
                figures = measurement.MeasureFor(model, PlanFlags.Formats(typed), folder, cancel.Token);
            }
            catch (OperationCanceledException)
            {
                figures = null;
            }
        });
        return figures;
    }
}
