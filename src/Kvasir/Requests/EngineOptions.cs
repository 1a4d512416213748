using Kvasir.Attention;
using Kvasir.Attention.Batches;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;
using Kvasir.Models;
using Kvasir.Models.Configs;
using Kvasir.Requests.Guessing;
using Kvasir.Tiers;

namespace Kvasir;

/// <summary>How an <see cref="Engine"/> runs.</summary>
public sealed record EngineOptions
{
    /// <summary>
    /// Threads that compute, the engine's own among them, from 1 to 1024; 0 takes one for each physical core. Nothing to <see cref="Workers"/>.
    /// </summary>
    public int Threads { get; init; }

    /// <summary>How keys and values are stored.</summary>
    public KvFormat Kv { get; init; } = KvFormat.BF16;

    /// <summary>
    /// The most bytes that the engine's KV cache may grow to, pages and indexes together; 0 takes half of the memory that is available, or all that
    /// <see cref="Memory"/> allows.
    /// </summary>
    public long KvMemoryBytes { get; init; }

    /// <summary>
    /// Where the memory of keys and values comes from: null for the system's, otherwise what can be addressed as memory is, such as a file that is
    /// mapped. It is counted as memory all the same.
    /// </summary>
    public SlabSource? KvSlabs { get; init; }

    /// <summary>
    /// A folder on whose file system keys and values lie that have no place in <see cref="KvMemoryBytes"/>: then contexts may be longer than memory. What an
    /// answer needs is read back while it is computed, and results are the same bit for bit. Policies must suit it
    /// (<see cref="AttentionPolicy.SuitsFiles"/>). The files have no names and go with the process. Null for memory alone.
    /// </summary>
    public string? KvDirectory { get; init; }

    /// <summary>
    /// What these files may take: not less than the KV memory, since each page in memory has its place on file; 0 takes 20 GiB, or as much as the memory.
    /// </summary>
    public long KvDiskBytes { get; init; }

    /// <summary>Which keys and values leave memory first.</summary>
    public PageEviction KvEviction { get; init; }

    /// <summary>Whether keys and values on file are read before a layer asks for them.</summary>
    public PageAhead KvAhead { get; init; }

    /// <summary>
    /// For measurements, in place of <see cref="KvDirectory"/>: keys and values that have no place in <see cref="KvMemoryBytes"/> lie in memory all the same,
    /// and are read at this pace. Null for none.
    /// </summary>
    public ReadPace? KvPace { get; init; }

    /// <summary>
    /// How rows are stored on file, in fewer bits than in memory: what leaves memory comes back rounded, within the format's bound, so that answers depend on
    /// what left. Formats that store rows one by one (<see cref="PageRecoding.Suits"/>). Null for as they are.
    /// </summary>
    public KvFormat? KvDiskFormat { get; init; }

    /// <summary>
    /// The most bytes of beginnings of prompts that are written to <see cref="PrefixStores"/> in a second, so that a disk has time for others; 0 for as many as
    /// it takes.
    /// </summary>
    public long PrefixBytesPerSecond { get; init; } = 200_000_000;

    /// <summary>Makes the place of pages of so many bytes that <see cref="KvDirectory"/> would be; for tests.</summary>
    internal Func<int, IPageStore>? KvStore { get; init; }

    /// <summary>What guesses of a draft take, in the place of what is measured; for tests.</summary>
    internal DraftCosts? DraftCosts { get; init; }

    /// <summary>
    /// What the engine takes its memory from, scratch and all, together with other engines; null for a budget of its own, which counts the KV cache alone.
    /// </summary>
    public MemoryBudget? Memory { get; init; }

    /// <summary>
    /// Threads that compute, for this engine and others: each job of one is done before the next begins. Null for threads
    /// of its own; the pool is disposed after the engines.
    /// </summary>
    public WorkerPool? Workers { get; init; }

    /// <summary>The most tokens of a sequence, prompt and answer; 0 takes the model's native window.</summary>
    public int ContextTokens { get; init; }

    /// <summary>The most rows of a step, from 1 to 8192: a long prompt is computed in chunks of this many.</summary>
    public int BatchTokens { get; init; } = 512;

    /// <summary>The most sequences that compute side by side, from 1 to 1024 and not above <see cref="BatchTokens"/>.</summary>
    public int MaxSequences { get; init; } = 16;

    /// <summary>
    /// Whether sequences wait with their answers until all prompts that there are pages for are computed, and then decode together: a batch is done
    /// sooner and its steps are either of prompts or of answers, but the first token comes later.
    /// </summary>
    public bool PromptsFirst { get; init; }

    /// <summary>
    /// How many milliseconds a step may take with the rows of prompts that are computed beside answers, from 1 to 60,000: running answers stall no longer. 16
    /// rows are computed whatever they take, and all of <see cref="BatchTokens"/> when no answer runs.
    /// </summary>
    public int StepMs { get; init; } = 300;

    /// <summary>The most unfinished prompts that hold memory, from 1 to 1024; those that the next step finishes do not count.</summary>
    public int MaxPrefills { get; init; } = 4;

    /// <summary>The most sequences of one <see cref="GenerationOptions.Client"/> that compute side by side, from 1 to 1024.</summary>
    public int MaxSequencesPerClient { get; init; } = 8;

    /// <summary>How much may wait.</summary>
    public QueueLimits Queue { get; init; } = new();

    /// <summary>
    /// The most time from submission to the end of any answer, from 1 ms to 24 days: as <see cref="GenerationOptions.Deadline"/>. Null for no limit.
    /// </summary>
    public TimeSpan? RequestTimeout { get; init; }

    /// <summary>What tells the time, for deadlines and for how long steps take.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>
    /// Whether rows stay in the KV memory that nobody else uses, so that a prompt that begins as an earlier one computes only what is behind that. Null is for
    /// whoever makes the engine: on where conversations are, as in <see cref="KvasirChatClient"/> and <c>kvasir chat</c>, whose turns repeat what was said; off
    /// in an engine by itself, which then answers a request alike whatever came before. A warm answer is a cold one within rounding.
    /// </summary>
    public bool? PrefixCache { get; init; }

    /// <summary>
    /// Whether rows that a sparse policy has decoded stay as well, for sequences under that very policy: a conversation then does not compute its own answers
    /// again, and what the policy loses adds up from turn to turn. Otherwise only rows stay that were attended densely, as those of prompts are.
    /// </summary>
    public bool ReusesSparseAnswers { get; init; }

    /// <summary>
    /// Where beginnings of prompts lie that outlast memory and the process, each asked in turn: <see cref="DiskPrefixStore"/>, say. Chains of 512 tokens and
    /// more are written there when their request has ended, and read when a prompt begins with them. They need <see cref="PrefixCache"/>, may be shared by
    /// engines, and are disposed after them by whoever made them.
    /// </summary>
    public IReadOnlyList<IPrefixStore> PrefixStores { get; init; } = [];

    /// <summary>The share of the KV memory, from 0 to 1, that a <see cref="PrefixPin"/> and all others may keep together.</summary>
    public double PinnedShare { get; init; } = 0.5;

    /// <summary>
    /// The share of the KV memory, from 0 to 1, that <see cref="GenerationOptions.Keep"/> of all sequences may keep together. Beyond it whoever keeps most of
    /// all tenants loses what has the least time left.
    /// </summary>
    public double KeptShare { get; init; } = 0.25;

    /// <summary>The policy of sequences that name none: see <see cref="PolicyCatalog"/>.</summary>
    public AttentionPolicy Attention { get; init; } = PolicyCatalog.Dense;

    /// <summary>The share of sparse attention that is audited, of sequences that name none: see <see cref="GenerationOptions.AuditShare"/>.</summary>
    public double AuditShare { get; init; }

    /// <summary>
    /// What <see cref="GenerationOptions.SpeculativeTokens"/> is of sequences that leave it at 0, 0 to 16: where the model has
    /// <see cref="ModelOptions.DraftWeights"/>, as many are guessed as pay, up to this. Nothing is guessed of those that are audited, or whose policy does not
    /// suit it.
    /// </summary>
    public int SpeculativeTokens { get; init; }

    /// <summary>Whether keys and values may lie on file.</summary>
    internal bool HasKvFiles => KvDirectory is not null || KvPace is not null || KvStore is not null;

    /// <exception cref="KvasirException">An option is outside its range.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Attention);
        ArgumentNullException.ThrowIfNull(Kv);
        ArgumentNullException.ThrowIfNull(Queue);
        ArgumentNullException.ThrowIfNull(PrefixStores);
        ArgumentNullException.ThrowIfNull(Time);
        Require(Threads, 0, 1024, "threads");
        Require(KvMemoryBytes, 0, long.MaxValue, "KV memory");
        Require(KvDiskBytes, 0, long.MaxValue, "KV memory on disk");
        if (KvPace is { } pace && !(pace.ReadsPerSecond > 0 && pace.BytesPerSecond > 0 && pace.LatencyUs >= 0))
            throw new KvasirException(KvasirError.BadOption, $"no store reads at a pace of {pace}");
        if (KvDirectory is { Length: 0 })
            throw new KvasirException(KvasirError.BadOption, "the folder for keys and values has an empty name");
        if (KvDiskBytes > 0 && KvDirectory is null && KvPace is null)
            throw new KvasirException(KvasirError.BadOption, $"KV memory on disk of {KvDiskBytes} bytes has no folder to lie in");
        Require(PrefixBytesPerSecond, 0, long.MaxValue, "bytes of prompts written in a second");
        if (KvDiskFormat is { } far && !(PageRecoding.Suits(Kv) && PageRecoding.Suits(far)))
            throw new KvasirException(
                KvasirError.BadOption, $"keys and values in {Kv.Name} cannot lie on file as {far.Name}: f32, bf16 and q8 store rows one by one");
        if (KvDiskFormat is not null && KvEviction is PageEviction.FlexGen or PageEviction.ZeroInference)
            throw new KvasirException(
                KvasirError.BadOption,
                $"keys and values cannot lie on file as {KvDiskFormat.Name} where pages leave memory at once: what is written to would be rounded each time");
        if (KvDiskFormat is not null && !HasKvFiles)
            throw new KvasirException(KvasirError.BadOption, $"keys and values on file as {KvDiskFormat.Name} have no folder to lie in");
        Require(ContextTokens, 0, int.MaxValue, "context");
        Require(BatchTokens, 1, 8192, "batch tokens");
        Require(MaxSequences, 1, 1024, "sequences");
        Require(MaxSequences, 1, BatchTokens, "sequences, which may not be more than the tokens of a batch,");
        Require(StepMs, 1, 60_000, "step milliseconds");
        Require(SpeculativeTokens, 0, GenerationOptions.MostSpeculativeTokens, "speculative tokens");
        Require(MaxPrefills, 1, 1024, "unfinished prompts");
        Require(MaxSequencesPerClient, 1, 1024, "sequences of a client");
        Require(RequestTimeout, "request timeout");
        Queue.Validate();
        if (PrefixStores.Count > 0 && PrefixCache != true)
            throw new KvasirException(KvasirError.BadOption, "stores of prefixes are written from the prefix cache and read into it, which is off");
        // Written so that NaN fails.
        if (!(AuditShare is >= 0 and <= 1))
            throw new KvasirException(KvasirError.BadOption, $"audit share {AuditShare} is outside 0 to 1");
        if (!(KeptShare is >= 0 and <= 1))
            throw new KvasirException(KvasirError.BadOption, $"kept share {KeptShare} is outside 0 to 1");
        if (!(PinnedShare is >= 0 and <= 1))
            throw new KvasirException(KvasirError.BadOption, $"pinned share {PinnedShare} is outside 0 to 1");
    }

    /// <exception cref="KvasirException">
    /// An option is outside its range, or there are draft weights, and what they would guess could not be taken back or would lie on file.
    /// </exception>
    internal void RequireFits(Weights weights)
    {
        Validate();
        if (weights.Draft is null)
            return;
        if (HasKvFiles)
        {
            throw new KvasirException(
                KvasirError.BadOption, "draft weights guess over keys and values in memory, and these may lie on file: without one or the other");
        }

        if (SpeculativeTokens > 0)
            DraftRules.Require(Attention, AuditShare);
    }

    /// <summary>A cache as these options have it.</summary>
    /// <param name="memory">What it takes its memory from.</param>
    /// <exception cref="KvasirException">It may take less on disk than in memory, or in memory less than one page of every head.</exception>
    internal KvCache NewCache(AttentionShape shape, MemoryBudget memory)
    {
        if (shape.WindowHeads is not null && HasKvFiles)
        {
            throw new KvasirException(
                KvasirError.BadOption, "keys and values on file are not supported of a model whose layers with a window have heads of other sizes");
        }

        var paced = KvPace is { } pace ? (Func<int, IPageStore>)(bytes => new PacedStore(bytes, Math.Max(KvDiskBytes, memory.LimitBytes), pace)) : null;
        var files = KvStore ?? paced ?? (KvDirectory is { } folder ? ScratchStore.In(folder, KvDiskBytes, memory.LimitBytes) : null);
        if (KvDiskFormat is { } far && files is { } stores)
        {
            var recoding = new PageRecoding(new PageLayout(Kv, shape.Dim, shape.ValueDim, PagePool.PageTokens), far);
            files = _ => new RecodedStore(recoding, stores);
        }

        return new KvCache(Kv, shape, memory, KvSlabs, files, KvEviction) { Ahead = KvAhead, StepRows = BatchTokens, Sequences = MaxSequences };
    }

    /// <summary>What a step may hold. One sequence alone may ask for logits of all that it guesses.</summary>
    internal Batch NewBatch() => new(BatchTokens, MaxSequences, Math.Max(MaxSequences, 1 + GenerationOptions.MostSpeculativeTokens));

    internal static void Require(TimeSpan? time, string name)
    {
        if (time is { } given && (given < TimeSpan.FromMilliseconds(1) || given > TimeSpan.FromDays(24)))
            throw new KvasirException(KvasirError.BadOption, $"{name} {given} is outside 1 ms to 24 days");
    }

    internal static void Require(long value, long least, long most, string name)
    {
        if (value < least || value > most)
            throw new KvasirException(KvasirError.BadOption, $"{name} {value} is outside {least} to {most}");
    }
}
