namespace Kvasir.Tiers;

/// <summary>
/// The chunks of a store, known in memory: by name, as chains, and by how long ago they were used. One is known only while what comes before it is. One thread
/// at a time.
/// </summary>
internal sealed class ChunkIndex
{
    private readonly Dictionary<string, StoredChunk> _chunks = new(StringComparer.Ordinal);
    private readonly Dictionary<int, long> _liveBytes = [];

    // The one that was used longest ago first.
    private readonly LinkedList<StoredChunk> _byUse = [];

    public int Count => _chunks.Count;

    /// <summary>All, the one that was used longest ago first.</summary>
    public IEnumerable<StoredChunk> ByUse => _byUse;

    public StoredChunk? Find(string name) => _chunks.GetValueOrDefault(name);

    /// <summary>Bytes of a segment that chunks have.</summary>
    public long LiveBytes(int segment) => _liveBytes.GetValueOrDefault(segment);

    /// <summary>Chunks in a segment.</summary>
    public StoredChunk[] In(int segment) => [.. _chunks.Values.Where(stored => stored.Segment == segment)];

    /// <summary>Whether a chunk may be added: it is the first of its chain, or what is before it is known.</summary>
    public bool Continues(PrefixChunk chunk) =>
        chunk.IsFirst || (_chunks.TryGetValue(chunk.Parent, out var parent) && parent.Chunk.Root == chunk.Root);

    /// <summary>Adds a chunk, as the one that was used last.</summary>
    public void Add(StoredChunk stored)
    {
        ParentOf(stored)?.Children.Add(stored);
        Place(stored);
    }

    /// <summary>
    /// Adds chunks, the one that was used longest ago first. A chunk may come before what it follows, which others use too; those to which no chain leads are
    /// left out.
    /// </summary>
    public void AddAll(IReadOnlyList<StoredChunk> all)
    {
        var followers = all.ToLookup(static stored => stored.Chunk.Parent, StringComparer.Ordinal);
        var reached = all.Where(static stored => stored.Chunk.IsFirst).ToHashSet();
        var next = new Stack<StoredChunk>(reached);
        while (next.TryPop(out var stored))
        {
            foreach (var follower in followers[stored.Chunk.Name])
            {
                if (follower.Chunk.Root != stored.Chunk.Root || !reached.Add(follower))
                    continue;
                stored.Children.Add(follower);
                next.Push(follower);
            }
        }

        foreach (var stored in all.Where(reached.Contains))
            Place(stored);
    }

    /// <summary>Says that a chunk was used now.</summary>
    public void Touch(StoredChunk stored, long now)
    {
        stored.UsedAt = now;
        _byUse.Remove(stored.Place!);
        _byUse.AddLast(stored.Place!);
    }

    /// <summary>Says that a chunk lies elsewhere now.</summary>
    public void Move(StoredChunk stored, int segment, long offset)
    {
        _liveBytes[stored.Segment] -= stored.Bytes;
        (stored.Segment, stored.Offset) = (segment, offset);
        _liveBytes[segment] = LiveBytes(segment) + stored.Bytes;
    }

    /// <summary>Forgets a chunk and all that follows it, which nobody could find any more.</summary>
    /// <returns>Names of what was forgotten.</returns>
    public List<string> Forget(StoredChunk stored)
    {
        List<string> names = [];
        ParentOf(stored)?.Children.Remove(stored);
        var left = new Stack<StoredChunk>([stored]);
        while (left.TryPop(out var next))
        {
            names.Add(next.Chunk.Name);
            _chunks.Remove(next.Chunk.Name);
            _byUse.Remove(next.Place!);
            _liveBytes[next.Segment] -= next.Bytes;
            foreach (var child in next.Children)
                left.Push(child);
        }

        return names;
    }

    /// <summary>Of those that nothing follows the one that was used longest ago; null for none.</summary>
    public StoredChunk? Oldest()
    {
        var place = _byUse.First;
        while (place is { Value.Children.Count: > 0 })
            place = place.Next;
        return place?.Value;
    }

    /// <summary>Chunks behind the first of a chain whose columns are all in another that begins where they do: ends of chains that went on.</summary>
    public StoredChunk[] Within(PrefixChunk chunk) => _chunks.TryGetValue(chunk.Parent, out var parent)
        ? [.. parent.Children.Where(stored => stored.Children.Count == 0 && stored.Chunk.IsWithin(chunk))]
        : [];

    private void Place(StoredChunk stored)
    {
        _chunks.Add(stored.Chunk.Name, stored);
        stored.Place = _byUse.AddLast(stored);
        _liveBytes[stored.Segment] = LiveBytes(stored.Segment) + stored.Bytes;
    }

    private StoredChunk? ParentOf(StoredChunk stored) => stored.Chunk.IsFirst ? null : _chunks.GetValueOrDefault(stored.Chunk.Parent);
}
