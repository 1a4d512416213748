using Kvasir.Ground;

namespace Kvasir;

/// <summary>
/// How much may wait in an engine. A queue that is full refuses what comes (<see cref="KvasirException.RetryAfter"/> says when to come again), so that whoever
/// waits does so for a bounded time in bounded memory. One sequence may always wait, however long its prompt.
/// </summary>
public sealed record QueueLimits
{
    /// <summary>The most sequences that wait, from 1 to 65,536.</summary>
    public int Sequences { get; init; } = 128;

    /// <summary>The most tokens of prompts that wait, from 1: they bound the time to a first token.</summary>
    public long Tokens { get; init; } = 2_097_152;

    /// <summary>The most bytes that the tokens of waiting prompts take, from 1; 4 a token.</summary>
    public long Bytes { get; init; } = 256L << 20;

    /// <summary>The most sequences of one <see cref="GenerationOptions.Client"/> that wait, from 1 to 65,536.</summary>
    public int SequencesPerClient { get; init; } = 32;

    /// <summary>How long a sequence waits before it is refused after all, from 1 ms to 24 days; null for ever.</summary>
    public TimeSpan? Timeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>No limit but those that nothing may exceed: for whoever submits a known number of sequences and wants all their answers.</summary>
    public static QueueLimits None { get; } = new()
    {
        Sequences = 65_536,
        Tokens = long.MaxValue,
        Bytes = long.MaxValue,
        SequencesPerClient = 65_536,
        Timeout = null,
    };

    /// <exception cref="KvasirException">A limit is outside its range.</exception>
    internal void Validate()
    {
        EngineOptions.Require(Sequences, 1, 65_536, "queue limit");
        EngineOptions.Require(Tokens, 1, long.MaxValue, "queue token limit");
        EngineOptions.Require(Bytes, 1, long.MaxValue, "queue byte limit");
        EngineOptions.Require(SequencesPerClient, 1, 65_536, "queue limit of a client");
        EngineOptions.Require(Timeout, "queue timeout");
    }
}
