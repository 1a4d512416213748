using Kvasir.Models;

namespace Kvasir;

/// <summary>What an engine's memory is for.</summary>
/// <param name="WeightBytes">Of all tensors as the file has them.</param>
/// <param name="PackedBytes">Of the matrices among them that were copied into another order; the file's pages of these are given back.</param>
/// <param name="KvBytesPerToken">Keys and values of one token over all layers and heads that keep those of all tokens.</param>
/// <param name="IndexBytesPerToken">What the attention policy's index adds to that.</param>
/// <param name="KvMemoryBytes">The limit that pages and indexes grow under together; where engines share memory, others may have some of it.</param>
/// <param name="TokensThatFit">Tokens of one sequence under that limit, with the index of the engine's policy.</param>
/// <param name="ContextTokens">The most tokens of one sequence.</param>
/// <param name="ScratchBytes">Activations, scratch, and what says where pages are that may be on file; 0 before an engine exists.</param>
public sealed record MemoryPlan(
    long WeightBytes, long PackedBytes, long KvBytesPerToken, long IndexBytesPerToken,
    long KvMemoryBytes, long TokensThatFit, int ContextTokens, long ScratchBytes)
{
    /// <summary>What experts take of the weights; null in models without.</summary>
    public ExpertMemory? Experts { get; init; }

    /// <summary>What the pages that a sequence is writing take of that limit: kept in floats under <c>int8</c> and <c>int8-channel</c>, otherwise 0.</summary>
    public long OpenPageBytes { get; init; }

    /// <summary>The most that layers with a window take of a sequence, however long it is; 0 where there are none.</summary>
    public long WindowBytes { get; init; }

    /// <summary>Of a row of keys and values in one head.</summary>
    public double KvRowBytes { get; init; }

    /// <summary>Keys and values of so many tokens, and the most that layers with a window take.</summary>
    public long KvBytes(long tokens) => (tokens * KvBytesPerToken) + WindowBytes;

    /// <summary>Of weights in 4 bits beside these, by which tokens are guessed (<see cref="ModelOptions.DraftWeights"/>); otherwise 0.</summary>
    public long DraftBytes { get; init; }

    /// <summary>What is read of the weights at each step, since memory has no place for it; null where it has.</summary>
    public StreamedWeights? Streamed { get; init; }

    /// <summary>What keys and values may take on disk, those in memory among them; 0 where all lie in memory.</summary>
    public long KvDiskBytes { get; init; }

    /// <summary>Why what is read of them goes through the system's page cache, which takes memory beside; null where it does not.</summary>
    public string? WhyDiskIsCached { get; init; }

    /// <summary>
    /// Pages that stay, when it is over, of a prompt as long as context and memory allow: less than all of it under policies that drop rows. Until then all
    /// of its rows are there, and again when the sequence was preempted: so a prompt has to fit whole.
    /// </summary>
    public long KeptBytes { get; init; }
}
