using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Planning;

namespace Kvasir.Cli.Shared;

/// <summary>What <c>--plan</c> says of an engine; what is typed beside it counts more.</summary>
internal static class PlannedOptions
{
    private const double MostDifference = 2;

    /// <summary>The plan that was typed; null for none.</summary>
    /// <exception cref="KvasirException">It is missing or damaged.</exception>
    public static TierPlan? Read(TypedCommand typed) => typed.Find(EngineFlags.Plan) is { } path ? TierPlan.Read(path) : null;

    /// <summary>The options as a plan for this model has them.</summary>
    /// <param name="plan">Null for none; then they stay as they were.</param>
    /// <exception cref="KvasirException">The plan is for another model, or names what there is not.</exception>
    public static EngineOptions Apply(EngineOptions options, TierPlan? plan, TypedCommand typed, ModelSizes model)
    {
        if (plan is null)
            return options;
        var path = typed.Find(EngineFlags.Plan)!;
        plan.RequireFits(model, path);
        var (way, hasFormat) = (plan.Chosen, KvFlags.All.Any(typed.Has));
        var folder = typed.Find(EngineFlags.KvDirectory) ?? plan.KvDirectory;
        if (way.OnFile && folder is null)
            throw new KvasirException(
                KvasirError.BadOption,
                $"{Printable.Line(path)} puts {SizeText.Bytes(way.DiskBytes)} of keys and values on disk: {EngineFlags.KvDirectory.Name} says where");
        return options with
        {
            Attention = typed.Has(EngineFlags.Attention) ? options.Attention : Policy(way.Attention, path),
            Kv = hasFormat ? options.Kv : KvFormat.Find(way.Kv)
                ?? throw new KvasirException(KvasirError.BadFile, $"{Printable.Line(path)}: keys and values in '{Printable.Line(way.Kv)}' are not known here"),
            KvMemoryBytes = options.KvMemoryBytes == 0 ? way.KvMemoryBytes : options.KvMemoryBytes,
            KvDirectory = way.OnFile ? folder : options.KvDirectory,
            KvDiskBytes = way.OnFile && options.KvDiskBytes == 0 ? way.DiskBytes : options.KvDiskBytes,
            KvAhead = way.OnFile && !typed.Has(EngineFlags.KvAhead) ? way.KvAhead : options.KvAhead,
            ContextTokens = options.ContextTokens == 0 ? plan.ContextTokens : options.ContextTokens,
        };
    }

    private static AttentionPolicy Policy(string text, string path)
    {
        try
        {
            return PolicyCatalog.Spec(text).Create();
        }
        catch (KvasirException problem)
        {
            throw new KvasirException(KvasirError.BadFile, $"{Printable.Line(path)}: {problem.Message}", problem);
        }
    }

    /// <summary>Says when the machine is not now what it was when the plan was made, unless nobody wants to hear it. Takes half a second.</summary>
    /// <param name="folder">Whose disk is read; null for none.</param>
    public static void Warn(Shell shell, TypedCommand typed, TierPlan plan, ModelSizes model, string? folder)
    {
        if (!typed.Is(OutputFlags.Quiet) && Warning(plan, model, folder, shell.ProbeBytes) is { } warning)
            shell.Note(warning);
    }

    // Null where the machine is as it was.
    private static string? Warning(TierPlan plan, ModelSizes model, string? folder, long probeBytes)
    {
        var (now, then) = (new MachineMeasurement().MeasureRates(plan.Chosen.OnFile ? folder : null, probeBytes), plan.Machine);
        var memory = now.ReadBytesPerSecond / then.ReadBytesPerSecond;
        var store = now.Store is { } seen && then.Store is { } planned ? seen.ReadsPerSecond / planned.ReadsPerSecond : 1;
        if (IsNear(memory) && IsNear(store))
            return null;
        var what = IsNear(memory)
            ? $"the disk gives {SizeText.Count((long)now.Store!.ReadsPerSecond)} reads/s, "
                + $"and the plan was made for {SizeText.Count((long)then.Store!.ReadsPerSecond)}"
            : $"memory gives {SizeText.Bytes((long)now.ReadBytesPerSecond)}/s, and the plan was made for {SizeText.Bytes((long)then.ReadBytesPerSecond)}/s";
        var machine = then.Faster(memory) with { Store = now.Store ?? then.Store };
        var request = new PlanRequest(plan.ContextTokens, plan.Batch, plan.MemoryBytes, plan.DiskBytes) { Target = plan.Target };
        var best = new TierPlanner(model, machine).Best(request);
        return $"note: {what}; a plan made now would choose {best?.ToString() ?? "nothing"} (kvasir plan makes one)";
    }

    private static bool IsNear(double ratio) => ratio is <= MostDifference and >= 1 / MostDifference;
}
