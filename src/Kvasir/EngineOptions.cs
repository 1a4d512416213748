using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Cache;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir;

/// <summary>How an <see cref="Engine"/> runs.</summary>
public sealed record EngineOptions
{
    /// <summary>Threads that compute, the engine's own among them, from 1 to 1024; 0 takes one for each physical core. Nothing to <see cref="Workers"/>.</summary>
    public int Threads { get; init; }

    /// <summary>How keys and values are stored.</summary>
    public KvFormat Kv { get; init; } = KvFormat.BF16;

    /// <summary>
    /// The most bytes that the engine's KV cache may grow to, pages and indexes together; 0 takes half of the memory that is available, or all that
    /// <see cref="Memory"/> allows.
    /// </summary>
    public long KvMemoryBytes { get; init; }

    /// <summary>What the engine takes its memory from, scratch and all, together with other engines; null for a budget of its own, which counts the KV cache alone.</summary>
    public MemoryBudget? Memory { get; init; }

    /// <summary>Threads that compute, for this engine and others: each job of one is done before the next begins. Null for threads of its own; the pool is disposed after the engines.</summary>
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

    /// <summary>The most sequences that wait for their turn, from 1 to 1,000,000.</summary>
    public int QueueLimit { get; init; } = 1024;

    /// <summary>The policy of sequences that name none: see <see cref="PolicyCatalog"/>.</summary>
    public AttentionPolicy Attention { get; init; } = PolicyCatalog.Dense;

    /// <summary>The share of sparse attention that is audited, of sequences that name none: see <see cref="GenerationOptions.AuditShare"/>.</summary>
    public double AuditShare { get; init; }

    /// <exception cref="KvasirException">An option is outside its range.</exception>
    public void Validate()
    {
        Require(Threads, 0, 1024, "threads");
        Require(KvMemoryBytes, 0, long.MaxValue, "KV memory");
        Require(ContextTokens, 0, int.MaxValue, "context");
        Require(BatchTokens, 1, 8192, "batch tokens");
        Require(MaxSequences, 1, 1024, "sequences");
        Require(MaxSequences, 1, BatchTokens, "sequences, which may not be more than the tokens of a batch,");
        Require(QueueLimit, 1, 1_000_000, "queue limit");
        // Written so that NaN fails.
        if (!(AuditShare is >= 0 and <= 1))
            throw new KvasirException(KvasirError.BadOption, $"audit share {AuditShare} is outside 0 to 1");
    }

    private static void Require(long value, long least, long most, string name)
    {
        if (value < least || value > most)
            throw new KvasirException(KvasirError.BadOption, $"{name} {value} is outside {least} to {most}");
    }
}
