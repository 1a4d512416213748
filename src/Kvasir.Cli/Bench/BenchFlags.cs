using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Models;
using Kvasir.Planning;
using Kvasir.Synthetic;
using Kvasir.Tiers;

namespace Kvasir.Cli.Bench;

/// <summary>What <c>bench</c> measures, and on which model.</summary>
internal static class BenchFlags
{
    private const int MaxBatch = 512;
    private const int MaxRepeat = 1000;
    private const int MaxDecodeTokens = 1 << 20;

    public static readonly Operand Model = ModelFlags.Model with { IsOptional = true };

    public static readonly ValueFlag<SyntheticShape> Synthetic = SyntheticFlags.Shape;

    public static readonly ValueFlag<SyntheticWeights> Weights = SyntheticFlags.Weights;

    public static readonly SwitchFlag Machine = new("--machine", "Measure memory bandwidth, multiply-add rates by thread count and the disk, and no model");

    public static readonly ValueFlag<string> KvDir = new(
        "--kv-dir",
        "With --machine: the folder whose disk is measured, by a file without a name. Otherwise, with --kv-memory: where keys and values lie that this has no "
        + "place for",
        FlagValues.Path with { Name = "DIR" })
    {
        Otherwise = "with --machine the one for temporary files",
    };

    private static readonly ValueFlag<ReadPace> Paced = new(
        "--paced",
        "In place of --kv-dir: what --kv-memory has no place for lies in memory, and is read as slowly as a disk of so many reads a second, bytes a second and "
        + "latency, as 20000,400M,100us; figures then do not hang on what a disk does meanwhile",
        new("RATES", "reads a second, bytes a second and a latency such as 20000,400M,100us", TryParsePace));

    private static readonly FlagValue<int> TokensOrNone = FlagValues.Tokens with { Parser = TryParseTokens };

    private static readonly ValueFlag<int[]> Prefill = new(
        "--prefill",
        "Prompt tokens computed on top of each depth, as 512,4096; 0 measures none",
        FlagValues.ListOf(TokensOrNone, "a list of token counts such as 512,4096, or 0"))
    { Default = "512", Elsewhere = ["-p", "--n-prompt"] };

    private static readonly ValueFlag<int[]> Depth = new(
        "--depth",
        "Tokens in the cache before each measurement, as 0,4096,32k",
        FlagValues.ListOf(TokensOrNone, "a list of token counts such as 0,4096,32k"))
    { Default = "0", Elsewhere = ["-d", "--n-depth"] };

    private static readonly ValueFlag<int> Decode = new(
        "--decode", "Tokens that each sequence generates in a run; 0 measures none", FlagValues.Whole(0, MaxDecodeTokens))
    {
        Otherwise = $"as many as take 0.3 s, 8 to {BenchPlan.MostDecodeSteps}",
        Elsewhere = ["-n", "--n-gen"],
    };

    private static readonly ValueFlag<int[]> Batch = new(
        "--batch",
        "Sequences that decode together, each at the depth, as 1,4,16",
        FlagValues.ListOf(FlagValues.Whole(1, MaxBatch), $"a list of whole numbers from 1 to {MaxBatch}"))
    { Default = "1" };

    private static readonly ValueFlag<BenchFill> Fill = new(
        "--fill",
        "How the cache comes to a depth: prefill computes it, which is slow at 32k and beyond; random writes keys and values of noise, fast",
        FlagValues.OneOf("HOW", ("prefill", BenchFill.Prefill), ("random", BenchFill.Random)))
    { Default = "prefill" };

    private static readonly ValueFlag<int> Repeat = new(
        "--repeat",
        "Timed runs of each case; the median counts",
        FlagValues.Whole(1, MaxRepeat))
    { Default = "5", Elsewhere = ["-r", "--repetitions"] };

    private static readonly ValueFlag<double> Reuse = new(
        "--reuse",
        "How alike the queries of a decode step and of the next are made, with random weights: P times the last one and sqrt(1 - P^2) times noise. Random "
        + "tokens look elsewhere at every step, which no text does, and what --kv-memory holds is then of no use",
        FlagValues.Number(0, 1))
    { Default = "0" };

    private static readonly ValueFlag<double> Foresight = new(
        "--foresight",
        "With --reuse, how near what is foretold of that noise for --kv-ahead comes to it, as a cosine: layers of a trained model change little of what comes "
        + "in, and those of random weights nearly all",
        FlagValues.Number(0, 1))
    { Default = "0.99" };

    public static readonly ValueFlag<string> Trace = new(
        "--trace",
        "Measure no speed: record which pages of keys and values --attention reads of a text of --depth tokens, in each of --decode steps behind it, into this "
        + "file, and say what memory of some size would find of them; plan --trace reckons with it",
        FlagValues.WrittenFile);

    private static readonly ValueFlag<ulong> Seed = SamplingFlags.SeedOf("Of random weights, tokens, keys and values", 1);
    private static readonly ValueFlag<long> KvMemory = EngineFlags.KvMemory with { Otherwise = "what is available" };

    private static readonly ValueFlag<PageEviction[]> KvEvict = new(
        "--kv-evict",
        "Which keys and values leave memory first for --kv-dir, as run has it; several with commas between, to be compared: counted, lru, layer-lru, alisa, "
        + "flexgen, zero-inference, vllm",
        FlagValues.ListOf(EngineFlags.Eviction, "a list of counted, lru, layer-lru, alisa, flexgen, zero-inference and vllm"))
    { Default = "counted" };

    private static readonly ValueFlag<int> Context = EngineFlags.Context with
    {
        Help = "The most tokens of a sequence, where a depth goes past the model's native window",
    };

    public static FlagGroup[] Groups =>
    [
        new("Model", Synthetic, Weights, Machine, KvDir),
        new("Cases", Prefill, Depth, Decode, Batch, Fill, Reuse, Foresight, Repeat, Seed),
        new("Attention", Attention, EngineFlags.Audit, EngineFlags.Plan, Trace),
        new(
            "Memory and processor",
            [
                .. KvFlags.All, ModelFlags.KvRank, KvMemory, EngineFlags.KvDisk, Paced, KvEvict, EngineFlags.KvAhead, Context, EngineFlags.Threads,
                ModelFlags.NoRepack, ModelFlags.WeightsMemory,
            ]),
    ];

    private static ValueFlag<AttentionPolicy[]> Attention => EngineFlags.Policies("Policies to compare") with { Default = "dense" };

    /// <summary>As <see cref="Verb.Refusal"/>.</summary>
    public static string? Refusal(TypedCommand typed)
    {
        var (model, isSynthetic, isMachine) = (typed.Find(Model), typed.Has(Synthetic), typed.Is(Machine));
        if (isMachine && (model is not null || isSynthetic))
            return "--machine measures no model; MODEL and --synthetic go without it";
        if (model is not null && isSynthetic)
            return "MODEL and --synthetic were given; one of them is allowed";
        if (model is null && !isSynthetic && !isMachine)
            return $"no model: give MODEL, or --synthetic SHAPE ({string.Join(", ", SyntheticShape.Names)}), or --machine";
        if (typed.Has(KvDir) && !isMachine && !typed.Has(KvMemory))
            return "--kv-dir without --machine takes what --kv-memory has no place for, and that was not given";
        if (isMachine && typed.Has(EngineFlags.KvDisk))
            return "--kv-disk is for what a model's keys and values take; --machine measures no model";
        if (typed.Has(Foresight) && !typed.Has(Reuse))
            return "--foresight is how near queries of --reuse are foretold, and that was not given";
        if (typed.Has(Weights) && !isSynthetic)
            return "--weights is for --synthetic; a model's file has its own";
        if (typed.Has(Paced) && (isMachine || typed.Has(KvDir) || !typed.Has(KvMemory)))
            return "--paced stands in the place of --kv-dir: it goes with --kv-memory, and without --kv-dir and --machine";
        if (typed.Has(EngineFlags.Plan) && isMachine)
            return "--machine measures no model, and --plan is for one";
        if (typed.Has(Trace) && (model is null || typed.Get(Depth) is not [> 0] || typed.Get(Attention).Length != 1 || typed.FindValue(Decode) == 0))
            return "--trace is of a MODEL that reads text, at one --depth above 0, under one policy of --attention, and of at least a token of --decode";
        return typed.Get(Prefill) is [0] && typed.FindValue(Decode) == 0 ? "--prefill 0 and --decode 0 leave nothing to measure" : null;
    }

    public static ulong SeedOf(TypedCommand typed) => typed.Get(Seed);

    /// <summary>What <see cref="Trace"/> records.</summary>
    public static TraceRun TraceOf(TypedCommand typed) =>
        new(typed.Get(Attention)[0], typed.Get(Depth)[0], typed.FindValue(Decode) ?? TraceRun.UsualSteps, typed.Get(Seed));

    /// <summary>What is measured where a plan is obeyed: what it foretells, at the depth for which it does, as far as nothing else is typed.</summary>
    /// <param name="planned">Null for no plan.</param>
    /// <exception cref="KvasirException">The plan is for another model.</exception>
    public static BenchPlan Obey(BenchPlan plan, TierPlan? planned, TypedCommand typed, Model model)
    {
        if (planned is null)
            return plan;
        var options = new EngineOptions
        {
            Kv = plan.Kv,
            KvMemoryBytes = plan.KvMemoryBytes,
            KvDirectory = plan.KvDirectory,
            KvDiskBytes = plan.KvDiskBytes,
            KvAhead = plan.KvAhead,
            ContextTokens = plan.ContextTokens,
        };
        options = PlannedOptions.Apply(options, planned, typed, ModelSizes.Of(model));
        var top = Math.Max(plan.PrefillTokens is [.., var most] ? most : 0, plan.DecodeSteps ?? BenchPlan.MostDecodeSteps);
        return plan with
        {
            Attention = typed.Has(Attention) ? plan.Attention : [options.Attention],
            Kv = options.Kv,
            KvMemoryBytes = options.KvMemoryBytes,
            KvDirectory = options.KvDirectory,
            KvDiskBytes = options.KvDiskBytes,
            KvAhead = options.KvAhead,
            ContextTokens = options.ContextTokens,
            Depths = typed.Has(Depth) ? plan.Depths : [Math.Max(0, options.ContextTokens - top)],
            Batches = typed.Has(Batch) ? plan.Batches : [planned.Batch],
        };
    }

    public static BenchPlan Read(TypedCommand typed) => new()
    {
        PrefillTokens = [.. typed.Get(Prefill).Where(static tokens => tokens > 0)],
        Depths = typed.Get(Depth),
        Batches = typed.Get(Batch),
        DecodeSteps = typed.FindValue(Decode),
        Repeat = typed.Get(Repeat),
        Attention = typed.Get(Attention),
        AuditShare = typed.Get(EngineFlags.Audit),
        Fill = typed.Get(Fill),
        Seed = typed.Get(Seed),
        Reuse = typed.Get(Reuse),
        Foresight = typed.Get(Foresight),
        Kv = KvFlags.Read(typed),
        Threads = typed.FindValue(EngineFlags.Threads) ?? 0,
        KvMemoryBytes = typed.FindValue(KvMemory) ?? 0,
        KvDirectory = typed.Find(KvDir),
        KvPace = typed.FindValue(Paced),
        KvDiskBytes = typed.FindValue(EngineFlags.KvDisk) ?? 0,
        KvAhead = typed.Get(EngineFlags.KvAhead),
        KvEvictions = typed.Get(KvEvict),
        ContextTokens = typed.FindValue(Context) ?? 0,
    };

    private static bool TryParseTokens(string text, out int tokens) => text == "0" ? (tokens = 0) == 0 : FlagValues.Tokens.Parser(text, out tokens);

    private static bool TryParsePace(string text, out ReadPace pace)
    {
        pace = default;
        if (text.Split(',') is not [var reads, var bytes, var latency] || !latency.EndsWith("us", StringComparison.OrdinalIgnoreCase))
            return false;
        if (!int.TryParse(reads, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count == 0 || !SizeText.TryBytes(bytes, out var rate)
            || !int.TryParse(latency[..^2], NumberStyles.None, CultureInfo.InvariantCulture, out var us))
        {
            return false;
        }

        pace = new ReadPace(count, rate, us);
        return true;
    }
}
