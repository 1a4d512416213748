using Kvasir.Cache;

namespace Kvasir;

/// <summary>What goes on in an engine, read at any time by any thread without waiting for a step. What counts up never goes down.</summary>
public sealed record EngineFigures
{
    /// <summary>Upper bounds, in milliseconds, of all but the last of <see cref="StepsByTime"/>.</summary>
    public static ReadOnlySpan<double> StepBoundsMs => [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];

    /// <summary>Upper bounds of all but the last of <see cref="StepsByRows"/>.</summary>
    public static ReadOnlySpan<int> StepBoundsRows => [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

    /// <summary>Sequences that compute.</summary>
    public required int Running { get; init; }

    /// <summary>Sequences that wait and have not begun.</summary>
    public required int Waiting { get; init; }

    /// <summary>Sequences that have begun, gave their memory back and wait.</summary>
    public required int Preempted { get; init; }

    /// <summary>Tokens of the prompts that wait.</summary>
    public required long WaitingTokens { get; init; }

    /// <summary>Rows of the last step that were generated, guesses among them.</summary>
    public required int LastDecodeRows { get; init; }

    /// <summary>Rows of prompts in the last step.</summary>
    public required int LastPromptRows { get; init; }

    /// <summary>How long the last step took, without the building of indexes.</summary>
    public required double LastStepMs { get; init; }

    /// <summary>Rows of prompts that the last step had time for.</summary>
    public required int PromptRowsBudget { get; init; }

    /// <summary>Steps so far.</summary>
    public required long Steps { get; init; }

    /// <summary>Time in steps so far, without the building of indexes.</summary>
    public required double StepMs { get; init; }

    /// <summary>Steps so far by how long they took: each is counted in the first whose bound it does not exceed.</summary>
    public required IReadOnlyList<long> StepsByTime { get; init; }

    /// <summary>Steps so far by how many rows they computed: each is counted in the first whose bound it does not exceed.</summary>
    public required IReadOnlyList<long> StepsByRows { get; init; }

    /// <summary>
    /// Grows with every step that begins and every layer that is computed: in an engine that has sequences and where this stands still, something hangs.
    /// </summary>
    public long Progress { get; init; }

    /// <summary>What was read from files and written there; null where all keys and values lie in memory.</summary>
    public PageFigures? KvFiles { get; init; }

    /// <summary>Prompts that computed what was to come from <see cref="EngineOptions.PrefixStores"/>, since that took too long.</summary>
    public long LatePrefixReads { get; init; }

    /// <summary>Chains of rows that were not written there, since too many waited or others needed their memory.</summary>
    public long PrefixesLeft { get; init; }

    /// <summary>Bytes taken beside the model's weights.</summary>
    public MemoryFigures Memory { get; init; }

    /// <summary>Bytes of cache pages in use, those of the prefix cache among them.</summary>
    public long KvBytesInUse { get; init; }

    /// <summary>What the prefix cache holds and has been good for.</summary>
    public PrefixFigures Prefixes { get; init; }

    /// <summary>Generated rows so far, guesses among them.</summary>
    public required long DecodeRows { get; init; }

    /// <summary>Rows of prompts so far.</summary>
    public required long PromptRows { get; init; }

    /// <summary>How often a sequence gave its memory back to others, so far.</summary>
    public required long Preemptions { get; init; }

    /// <summary>Rows that were computed again for that, so far.</summary>
    public required long RecomputedRows { get; init; }

    /// <summary>Rows that were given up since no later query reads them and the file had no room, so far (<see cref="PageEviction.Alisa"/>).</summary>
    public long DeletedRows { get; init; }

    /// <summary>Sequences whose time was over while they waited, so far.</summary>
    public required long LateWaiting { get; init; }

    /// <summary>Sequences whose time was over while they computed, so far.</summary>
    public required long LateRunning { get; init; }

    /// <summary>Faults that ended a step and all in it, so far.</summary>
    public required long StepFaults { get; init; }

    /// <summary>Clients that have a sequence here.</summary>
    public required IReadOnlyList<ClientFigures> Clients { get; init; }
}

/// <summary>What a client has in an engine.</summary>
/// <param name="Name">As <see cref="GenerationOptions.Client"/>; null for all that name none.</param>
/// <param name="Running">Sequences that compute.</param>
/// <param name="Waiting">Sequences that wait.</param>
/// <param name="TurnTokens">What turns go by: tokens computed for it since it came, from where others were then.</param>
public readonly record struct ClientFigures(string? Name, int Running, int Waiting, long TurnTokens);
