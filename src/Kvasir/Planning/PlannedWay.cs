namespace Kvasir.Planning;

/// <summary>One way to have the context that was asked for: what it takes, and how fast it will be.</summary>
/// <param name="Attention">The policy, as it is typed.</param>
/// <param name="Kv">How rows are stored.</param>
/// <param name="OnFile">Whether rows lie on file that memory has no place for.</param>
public sealed record PlannedWay(string Attention, string Kv, bool OnFile)
{
    /// <summary>For keys, values and indexes: <see cref="EngineOptions.KvMemoryBytes"/>.</summary>
    public required long KvMemoryBytes { get; init; }

    /// <summary>What keys and values take on file: <see cref="EngineOptions.KvDiskBytes"/>; 0 for none.</summary>
    public required long DiskBytes { get; init; }

    /// <summary>Of everything.</summary>
    public required PlannedMemory Memory { get; init; }

    /// <summary>Of all sequences together, with their contexts full.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Until the first token of the last of the prompts.</summary>
    public required double FirstTokenSeconds { get; init; }

    public required double LinearMs { get; init; }

    public required double AttentionMs { get; init; }

    /// <summary>Of reading what nothing hides.</summary>
    public required double ReadMs { get; init; }

    public required double OtherMs { get; init; }

    /// <summary>Pages of 32 rows of a head that a step uses.</summary>
    public required long PagesPerStep { get; init; }

    /// <summary>Those of them that it has to read.</summary>
    public required long PagesReadPerStep { get; init; }

    public required long BytesReadPerStep { get; init; }

    /// <summary>The most that weights may take of memory (<see cref="ModelOptions.MemoryBytes"/>); 0 for all that they are.</summary>
    public long WeightsMemoryBytes { get; init; }

    /// <summary>Of layers that have no place there.</summary>
    public long WeightBytesReadPerStep { get; init; }

    /// <summary>The most tokens that each of so many sequences could have in the same memory and disk.</summary>
    public required long LongestContext { get; init; }

    /// <summary>Points of 99.3 that the policy loses by docs/choosing-a-policy.md, where questions come after the context.</summary>
    public required double LostPoints { get; init; }

    /// <summary>Which pages leave memory first, where it does not hold all: as --kv-evict has it.</summary>
    public PageEviction KvEviction { get; init; }

    /// <summary>Whether pages are to be read before anybody asks for them: as --kv-ahead has it.</summary>
    public PageAhead KvAhead { get; init; }

    /// <summary>Pages that memory has place for beside indexes and what is written; 0 where it has place for all.</summary>
    internal double PoolPages { get; init; }

    /// <summary>Whether the plan chose it.</summary>
    public bool IsChosen { get; init; }

    public double StepMs => LinearMs + AttentionMs + ReadMs + OtherMs;

    /// <summary>As --attention and --kv would be typed.</summary>
    public override string ToString() => $"{Attention}, {Kv}";
}

/// <summary>What the process will have in memory.</summary>
/// <param name="Weights">As they are packed on the machine that reckons.</param>
/// <param name="KeysAndValues">Pages, open pages and indexes.</param>
/// <param name="Scratch">Activations, scores, logits.</param>
/// <param name="Tables">Where pages are.</param>
/// <param name="Runtime">The program itself.</param>
public sealed record PlannedMemory(long Weights, long KeysAndValues, long Scratch, long Tables, long Runtime)
{
    public long Total => Weights + KeysAndValues + Scratch + Tables + Runtime;
}
