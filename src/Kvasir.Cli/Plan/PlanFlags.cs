using System.Diagnostics.CodeAnalysis;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Measurement;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Planning;
using Kvasir.Synthetic;

namespace Kvasir.Cli.Plan;

/// <summary>What <c>plan</c> is asked, and for which machine.</summary>
internal static class PlanFlags
{
    private const int MaxBatch = 512;

    public static readonly Operand Model = new(
        "MODEL",
        $"A GGUF file, a Hugging Face style folder, a bundled model ({string.Join(", ", BundledModels.Names)}), or a shape without weights: "
            + $"{string.Join(", ", SyntheticShape.Names)}; SHAPE:LAYERS for fewer layers",
        FlagValues.Path with { Choices = static () => [.. BundledModels.Names, .. SyntheticShape.Names] });

    public static readonly ValueFlag<string> KvDirectory = new(
        "--kv-dir", "The folder on whose disk keys and values are to lie that memory has no place for; it is measured", FlagValues.Path with { Name = "DIR" })
    {
        Otherwise = "with --disk the one for temporary files",
    };

    private static readonly ValueFlag<SyntheticWeights> Weights = SyntheticFlags.Weights;

    private static readonly ValueFlag<int> Context = EngineFlags.Context with { Help = "The tokens of each sequence, prompt and answer, as 4096 or 128k" };

    private static readonly ValueFlag<int> Batch = new(
        "--batch",
        "Sequences side by side, each with such a context; auto for as many as are fastest together, to 64",
        FlagValues.Whole(1, MaxBatch) with
        {
            Allowed = $"auto, or a whole number from 1 to {MaxBatch}",
            Parser = static (string text, out int batch) => text == "auto" ? (batch = 0) == 0 : FlagValues.Whole(1, MaxBatch).Parser(text, out batch),
        })
    { Default = "1" };

    private static readonly ValueFlag<long> Memory = new("--memory", "What the whole program may take, weights and all, as 24GiB", FlagValues.Bytes)
    {
        Otherwise = "what is available here, or nine tenths of what --machine has",
    };

    private static readonly ValueFlag<long> Disk = new("--disk", "What keys and values may take on disk, as 100GiB", FlagValues.BytesOrNone) { Default = "0" };

    private static readonly ValueFlag<MachineFigures> Machine = new(
        "--machine",
        $"A file that bench --machine --json wrote, or a machine that is not here: {string.Join(", ", MachineProfiles.Names)} "
            + "(memory and speed of the card; --disk is memory of its host)",
        new("MACHINE", $"a file of figures, or {FlagValues.Alternatives(MachineProfiles.Names)}", TryParseMachine)
        {
            Choices = static () => MachineProfiles.Names,
            IsPath = true,
        })
    {
        Otherwise = "this one, measured for some seconds",
    };

    private static readonly ValueFlag<string> Trace = new(
        "--trace", "Pages that a policy has read of a text, as bench --trace recorded them: what steps find in memory is reckoned by it", FlagValues.File)
    {
        Otherwise = "traces of the bundled model under quest",
    };

    private static readonly ValueFlag<PlanTarget> Target = new(
        "--target",
        "What the plan is to be good at, of the ways that lose no answers: quality takes the most exact and memory the smallest that is at least half as fast "
            + "as the fastest, speed the fastest",
        FlagValues.OneOf("TARGET", ("quality", PlanTarget.Quality), ("speed", PlanTarget.Speed), ("memory", PlanTarget.Memory)))
    { Default = "quality" };

    private static readonly ValueFlag<KvFormat> Kv = KvFlags.Both with
    {
        Help = "The only format of keys and values that is considered",
        Default = null,
        Otherwise = "bf16, q8, int8 and kivi4",
    };

    public static FlagGroup[] Groups =>
    [
        new("What is to fit", Context, Batch, Kv, Weights),
        new("Into what", Memory, Disk, KvDirectory, Machine, Trace, EngineFlags.Threads),
        new("What is chosen", Target),
    ];

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        if (typed.Has(KvDirectory) && typed.Get(Disk) == 0)
            return "--kv-dir is where --disk lies, and that was not given";
        if (typed.Has(EngineFlags.Threads) && typed.Has(Machine))
            return "--threads is for this machine, and --machine names another's figures";
        if (typed.Has(Weights) && Shape(typed) is null)
            return "--weights is for a shape; a model's file has its own";
        return null;
    }

    /// <exception cref="KvasirException">There is no such model, or it cannot be read.</exception>
    public static ModelSizes Sizes(TypedCommand typed)
    {
        if (Shape(typed) is { } shape)
            return ModelSizes.Of(shape, typed.Get(Weights));
        try
        {
            using var model = Kvasir.Model.Load(typed.Get(Model), new ModelOptions { Repack = false });
            return ModelSizes.Of(model);
        }
        catch (KvasirException missing) when (missing.Error == KvasirError.FileNotFound)
        {
            throw new KvasirException(
                missing.Error,
                $"{missing.Message}; shapes without weights are {string.Join(", ", SyntheticShape.Names)}, each with :LAYERS for fewer layers",
                missing);
        }
    }

    public static PlanRequest Request(TypedCommand typed, ModelConfig config) => new(
        typed.FindValue(Context) ?? config.ContextTokens, typed.Get(Batch), typed.FindValue(Memory) ?? ResidentMemory.AvailableBytes(), typed.Get(Disk))
    {
        Target = typed.Get(Target),
        Kv = typed.Find(Kv),
        Threads = Threads(typed),
        Trace = typed.Find(Trace) is { } path ? PageTrace.Read(path) : null,
    };

    public static bool HasMemory(TypedCommand typed) => typed.Has(Memory);

    public static bool HasDisk(TypedCommand typed) => typed.Get(Disk) > 0;

    public static int Threads(TypedCommand typed) => typed.FindValue(EngineFlags.Threads) ?? 0;

    /// <summary>The machine that was named; null for this one.</summary>
    public static MachineFigures? Named(TypedCommand typed) => typed.Find(Machine);

    /// <summary>Formats of keys and values that will be considered.</summary>
    public static IReadOnlyList<KvFormat> Formats(TypedCommand typed) => typed.Find(Kv) is { } only ? [only] : MachineMeasurement.Formats;

    // A file of that name comes first.
    private static SyntheticShape? Shape(TypedCommand typed)
    {
        var name = typed.Get(Model);
        if (Path.Exists(name) || !SyntheticShape.Names.Any(known => name.Split(':')[0].Equals(known, StringComparison.OrdinalIgnoreCase)))
            return null;
        return SyntheticShape.Parse(name);
    }

    private static bool TryParseMachine(string text, [MaybeNullWhen(false)] out MachineFigures figures)
    {
        figures = MachineProfiles.Find(text);
        if (figures is null && File.Exists(text))
            figures = MachineFigures.Read(text);
        return figures is not null;
    }
}
