using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How the engine runs: attention, KV cache, context, threads.</summary>
internal static class EngineFlags
{
    private const int MaxThreads = 1024;

    public static readonly ValueFlag<double> Audit = new(
        "--audit",
        "Attend this share of what a sparse policy attends, drawn by step, layer and head, densely as well, and report how far off it was; "
        + "costs that share of dense attention",
        FlagValues.Number(0, 1))
    { Default = "0" };

    public static readonly ValueFlag<long> KvMemory = new(
        "--kv-memory", "The most memory that the KV cache and its indexes may take together, as 512M, 2G or 1.5GiB", FlagValues.Bytes)
    {
        Otherwise = "half of what is available",
    };

    public static readonly ValueFlag<string> KvDirectory = new(
        "--kv-dir",
        "A folder on whose disk keys and values lie that --kv-memory has no place for, so that a context may be longer than memory: with dense, quest, psa and "
        + "windows. Where one turn repeats another, or with --kv-prefixes or --kv-disk 0, beginnings of prompts stay there, of 512 tokens and more, and are "
        + "not computed again after a restart",
        FlagValues.Path with { Name = "DIR", IsState = true });

    public static readonly ValueFlag<long> KvDisk = new(
        "--kv-disk",
        "The most that keys and values without a place in memory may take in --kv-dir, as 100G: no less than --kv-memory, or 0 for none",
        FlagValues.BytesOrNone)
    {
        Otherwise = "20 GiB, or as much as --kv-memory",
    };

    public static readonly ValueFlag<KvFormat> KvDiskFormat = new(
        "--kv-disk-format",
        "How keys and values are stored in --kv-dir: q8 rounds what leaves memory to 8 bits: a read brings more of them, and answers depend on what left",
        FlagValues.OneOf("FORMAT", ("q8", KvFormat.Q8), ("bf16", KvFormat.BF16)))
    {
        Otherwise = "as --kv says",
    };

    public static readonly ValueFlag<long> KvPrefixes = new(
        "--kv-prefixes", "The most that beginnings of prompts may take in --kv-dir, as 100G, or 0 for none (kvasir cache lists them)", FlagValues.BytesOrNone)
    {
        Otherwise = "20 GiB",
    };

    public static readonly ValueFlag<long> KvDiskRate = new(
        "--kv-disk-rate", "The most of beginnings of prompts that is written in a second, as 50M, so that the disk has time for others; 0 for no limit",
        FlagValues.BytesOrNone)
    { Default = "200M" };

    private static readonly (string Name, PageEviction Order)[] Evictions =
    [
        ("counted", PageEviction.Counted), ("lru", PageEviction.Lru), ("layer-lru", PageEviction.LayerLru), ("flexgen", PageEviction.FlexGen),
        ("zero-inference", PageEviction.ZeroInference), ("vllm", PageEviction.Vllm), ("alisa", PageEviction.Alisa),
    ];

    /// <summary>Which pages leave memory.</summary>
    public static readonly FlagValue<PageEviction> Eviction = FlagValues.OneOf("ORDER", Evictions);

    public static readonly ValueFlag<PageEviction> KvEvict = new(
        "--kv-evict",
        "Which keys and values leave memory first for --kv-dir: counted, those that were used in the fewest of the last steps; lru, those that were not used "
        + "for the longest time; layer-lru, the same of the layer whose turn is farthest; alisa, the oldest of each sequence, which keeps its newest and "
        + "copies of those that --attention alisa:scoring=literal goes on reading. To be measured against: flexgen, all but a fixed share as soon as they "
        + "were read; zero-inference, all; vllm, those of whole sequences, which wait meanwhile",
        Eviction)
    { Default = "counted" };

    public static readonly ValueFlag<PageAhead> KvAhead = new(
        "--kv-ahead",
        "Whether keys and values in --kv-dir are read before a layer asks for them, by what it will probably want: auto does where the last step had to read "
        + "many and what was foretold was wanted",
        FlagValues.OneOf("WHEN", ("auto", PageAhead.Auto), ("on", PageAhead.On), ("off", PageAhead.Off)))
    { Default = "auto" };

    public static readonly ValueFlag<int> Context = new("--context", "The most tokens of prompt and answer together, as 4096 or 32k", FlagValues.Tokens)
    {
        Otherwise = "the model's native window",
        Elsewhere = ["-c", "--ctx-size", "--ctx", "--num-ctx", "--n-ctx", "--max-model-len"],
    };

    public static readonly ValueFlag<int> Threads = new("--threads", "Threads that compute", FlagValues.Whole(1, MaxThreads))
    {
        Otherwise = "one for each physical core",
        Elsewhere = ["-t", "--num-thread", "--num-threads"],
    };

    public static readonly ValueFlag<string> Plan = new(
        "--plan",
        "Obey a plan that kvasir plan --out wrote for this model: its policy, format, memory, disk and context, as far as nothing is typed",
        FlagValues.File);

    // Its help lists the policies, and more can be registered.
    public static ValueFlag<AttentionPolicy[]> Attention => new(
        "--attention",
        "Which keys and values are read, as name, name:key=value,... (kvasir policies lists the options), two with a plus between of which the first selects "
        + $"and the second drops, as quest+streaming:recent=4096, or @FILE with one of these: {PolicyCatalog.Names}; "
        + $"auto is dense below the context length from which {AutoAttention.Policy} pays on this machine, which is measured once",
        PolicyList.OneOrAuto)
    { Default = AutoAttention.Name };

    // The most at a time, of which as many are guessed as pay.
    private const int DraftTokens = 8;

    /// <summary>What an engine that answers can be told.</summary>
    public static FlagGroup[] Groups =>
    [
        new("Attention", Attention, Audit, Plan),
        new(
            "Memory and processor",
            [
                .. KvFlags.All, ModelFlags.KvRank, ModelFlags.SelfDraft, KvMemory, KvDirectory, KvDisk, KvDiskFormat, KvPrefixes, KvDiskRate, KvEvict,
                KvAhead, Context, Threads, ModelFlags.NoRepack, ModelFlags.WeightsMemory,
            ]),
    ];

    /// <summary>An order as it is typed.</summary>
    public static string NameOf(PageEviction order) => Array.Find(Evictions, named => named.Order == order).Name;

    /// <summary>Policies that are compared, behind the same flag.</summary>
    /// <param name="help">What with them; how they are spelled is added.</param>
    public static ValueFlag<AttentionPolicy[]> Policies(string help) => new(
        "--attention",
        $"{help}, as name, name:key=value,..., select+drop or @FILE with one; several with commas between: {PolicyCatalog.Names}",
        PolicyList.Value);

    /// <summary>Whether the machine is to choose the policy: nobody named one.</summary>
    public static bool IsAuto(TypedCommand typed) => typed.Get(Attention) is [];

    /// <summary>For one sequence at a time; dense where <see cref="IsAuto"/>.</summary>
    public static EngineOptions Read(TypedCommand typed)
    {
        var defaults = new EngineOptions();
        return defaults with
        {
            Attention = typed.Get(Attention) is [var named] ? named : defaults.Attention,
            AuditShare = typed.Get(Audit),
            Kv = KvFlags.Read(typed),
            KvMemoryBytes = typed.FindValue(KvMemory) ?? 0,
            KvDirectory = typed.FindValue(KvDisk) == 0 ? null : typed.Find(KvDirectory),
            KvDiskBytes = typed.FindValue(KvDisk) ?? 0,
            KvDiskFormat = typed.Find(KvDiskFormat),
            PrefixBytesPerSecond = typed.FindValue(KvDiskRate) ?? defaults.PrefixBytesPerSecond,
            KvEviction = typed.Get(KvEvict),
            KvAhead = typed.Get(KvAhead),
            ContextTokens = typed.FindValue(Context) ?? 0,
            Threads = typed.FindValue(Threads) ?? 0,
            SpeculativeTokens = typed.Is(ModelFlags.SelfDraft) ? DraftTokens : 0,
            MaxSequences = 1,
            Queue = QueueLimits.None,
        };
    }
}
