using Kvasir.Attention;
using Kvasir.Cache;
using Kvasir.Cache.Slots;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;
using Kvasir.Measurement;
using Kvasir.Models.Configs;
using Kvasir.Tiers;

namespace Kvasir.Cli.Bench;

/// <summary>What is to be measured, as it was asked for.</summary>
internal sealed record BenchPlan
{
    /// <summary>Decode steps of a run at most, where their number follows from the time that they take.</summary>
    public const int MostDecodeSteps = 64;

    /// <summary>Prompt tokens on top of each depth, ascending; empty for none.</summary>
    public required int[] PrefillTokens { get; init; }

    /// <summary>Ascending.</summary>
    public required int[] Depths { get; init; }

    /// <summary>Sequences that decode together, ascending.</summary>
    public required int[] Batches { get; init; }

    /// <summary>Steps of a timed run; 0 for no decoding, null for as many as give a sound figure.</summary>
    public required int? DecodeSteps { get; init; }

    public required int Repeat { get; init; }

    public required AttentionPolicy[] Attention { get; init; }

    /// <summary>The share of sparse attention that is computed densely as well.</summary>
    public required double AuditShare { get; init; }

    public required BenchFill Fill { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>As <see cref="EngineProbe.Reuse"/>.</summary>
    public double Reuse { get; init; }

    /// <summary>As <see cref="EngineProbe.Foresight"/>.</summary>
    public double Foresight { get; init; }

    public required KvFormat Kv { get; init; }

    /// <summary>0 for one on each physical core.</summary>
    public required int Threads { get; init; }

    /// <summary>0 for nine tenths of what is available.</summary>
    public required long KvMemoryBytes { get; init; }

    /// <summary>Where keys and values lie that the KV memory has no place for; null for memory alone.</summary>
    public string? KvDirectory { get; init; }

    /// <summary>Where they lie in its place: in memory that is as slow as this; null for none.</summary>
    public ReadPace? KvPace { get; init; }

    /// <summary>Whether keys and values may lie elsewhere than in the KV memory.</summary>
    public bool HasFiles => KvDirectory is not null || KvPace is not null;

    /// <summary>0 for what the engine takes by itself.</summary>
    public long KvDiskBytes { get; init; }

    public PageAhead KvAhead { get; init; }

    /// <summary>Which pages leave memory first there; at least one.</summary>
    public PageEviction[] KvEvictions { get; init; } = [PageEviction.Counted];

    /// <summary>0 for the model's native window.</summary>
    public required int ContextTokens { get; init; }

    public bool Decodes => DecodeSteps != 0;

    /// <summary>Cases of one engine: a depth under a policy.</summary>
    public int CaseCount => Attention.Length * KvEvictions.Length * Depths.Length * (PrefillTokens.Length + (Decodes ? Batches.Length : 0));

    private int MaxPrefill => PrefillTokens.Length == 0 ? 0 : PrefillTokens[^1];

    private int MaxSteps => Decodes ? DecodeSteps ?? MostDecodeSteps : 0;

    /// <summary>The most tokens of a sequence at a depth.</summary>
    public int TokensAt(int depth) => Math.Max(1, depth + Math.Max(MaxPrefill, MaxSteps));

    /// <summary>Bytes of cache and of indexes that the cases of a depth take.</summary>
    public long KvBytesAt(int depth, ModelConfig config)
    {
        var places = new KvPlaces(config.Attention, Kv);
        var pageBytes = (long)places.Layout.Bytes * places.ListCount;
        // A prefill is one sequence; the others come for the decoding. What is no page breaks the last slab, so there is room for a whole one.
        var pages = pageBytes * Math.Max(Pages(depth + (long)MaxPrefill), Decodes ? Batches[^1] * Pages(depth + (long)MaxSteps) : 1);
        var tokens = TokensAt(depth);
        return pages + (Batches[^1] * places.OpenBytes) + (places.OpenBytes > 0 ? PagePool.MostSlabBytes : 0)
            + Attention.Max(policy => policy.SharedIndexBytes(config.Attention)
                + (Batches[^1] * policy.IndexBytesAt(config.Attention, depth, tokens, tokens, new TakeBackLimits(tokens - depth, 1))));

        static long Pages(long tokens) => Math.Max(1, (tokens + PagePool.PageTokens - 1) / PagePool.PageTokens);
    }

    /// <exception cref="KvasirException">A case does not fit the context or the memory.</exception>
    public void RequireFits(ModelConfig config)
    {
        var context = ContextTokens == 0 ? config.ContextTokens : ContextTokens;
        var limit = KvMemoryBytes == 0 ? ResidentMemory.AvailableBytes() / 10 * 9 : KvMemoryBytes;
        foreach (var depth in Depths)
        {
            if ((long)depth + Math.Max(MaxPrefill, MaxSteps) > context)
            {
                throw new KvasirException(
                    KvasirError.ContextExceeded,
                    $"depth {depth} with {Math.Max(MaxPrefill, MaxSteps)} tokens on top is beyond the "
                        + $"context of {context} tokens{(ContextTokens == 0 ? "; --context allows more" : "")}");
            }

            if (!HasFiles && KvBytesAt(depth, config) is var needed && needed > limit)
            {
                throw new KvasirException(
                    KvasirError.KvMemoryExceeded,
                    $"depth {depth} with a batch of {Batches[^1]} takes {needed} bytes of KV memory, "
                        + $"and {limit} {(KvMemoryBytes == 0 ? "can be had" : "are allowed")}; a smaller depth or batch, or --kv q8, takes less");
            }
        }
    }

    /// <summary>An engine for all cases of a depth, with no more memory than they take, or with what was given where the rest lies on disk.</summary>
    public EngineOptions Options(int depth, ModelConfig config, PageEviction eviction)
    {
        var defaults = new EngineOptions();
        return defaults with
        {
            Threads = Threads,
            Kv = Kv,
            KvMemoryBytes = HasFiles ? KvMemoryBytes : KvBytesAt(depth, config),
            KvDirectory = KvDirectory,
            KvPace = KvPace,
            KvDiskBytes = KvPace is null || KvDiskBytes > 0 ? KvDiskBytes : 2 * KvBytesAt(depth, config),
            KvEviction = eviction,
            KvAhead = KvAhead,
            ContextTokens = TokensAt(depth),
            MaxSequences = Batches[^1],
            BatchTokens = Math.Max(defaults.BatchTokens, Batches[^1]),
        };
    }
}

/// <summary>How a cache comes to the depth that is measured.</summary>
internal enum BenchFill
{
    /// <summary>By computing as many prompt tokens.</summary>
    Prefill,

    /// <summary>By writing random keys and values.</summary>
    Random,
}
