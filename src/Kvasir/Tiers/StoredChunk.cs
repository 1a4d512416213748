namespace Kvasir.Tiers;

/// <summary>A chunk that is known to be on disk, and where.</summary>
/// <param name="chunk">What it is.</param>
internal sealed class StoredChunk(PrefixChunk chunk)
{
    public PrefixChunk Chunk { get; } = chunk;

    /// <summary>The segment that has it.</summary>
    public required int Segment { get; set; }

    public required long Offset { get; set; }

    /// <summary>When it was used last, in seconds of Unix time.</summary>
    public required long UsedAt { get; set; }

    /// <summary>What it takes there.</summary>
    public long Bytes { get; } = ChunkRecord.BytesOf(chunk);

    /// <summary>What follows it.</summary>
    public List<StoredChunk> Children { get; } = [];

    /// <summary>Its place among all, by use.</summary>
    public LinkedListNode<StoredChunk>? Place { get; set; }
}
