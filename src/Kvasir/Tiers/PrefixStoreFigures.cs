namespace Kvasir.Tiers;

/// <summary>What a store holds and has been good for. Counts only grow.</summary>
public sealed record PrefixStoreFigures
{
    /// <summary>Whether it takes what is written.</summary>
    public required bool IsUp { get; init; }

    /// <summary>Why it does not; null while it does.</summary>
    public string? Problem { get; init; }

    /// <summary>Chunks that it knows to be there; 0 where only the other side knows.</summary>
    public int Chunks { get; init; }

    /// <summary>Bytes that it takes now.</summary>
    public long Bytes { get; init; }

    public long ReadBytes { get; init; }

    public long WrittenBytes { get; init; }

    /// <summary>Chunks that went for want of room.</summary>
    public long EvictedChunks { get; init; }

    /// <summary>Chunks that were not what was written, or were another's.</summary>
    public long Damaged { get; init; }

    /// <summary>Reads that failed.</summary>
    public long ReadErrors { get; init; }

    /// <summary>Writes that failed.</summary>
    public long WriteErrors { get; init; }
}
