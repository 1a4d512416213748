using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>The segments of a store, its log, and the index that they amount to.</summary>
internal sealed class StoreFiles : IDisposable
{
    // From this share of live bytes down a segment is copied on and deleted.
    private const double SparseShare = 0.25;

    // Of a full store, so that little else goes with what is to go.
    private const int FewestSegments = 16;
    private readonly bool _isOwner;

    private StoreFiles(StoreFolder folder, PrefixStoreOptions options)
    {
        _isOwner = folder.IsOwner;
        Segments = new SegmentFiles(folder.Segments, Math.Min(options.SegmentBytes, Math.Max(options.LimitBytes / FewestSegments, 1 << 20)));
        var found = new Dictionary<string, StoredChunk>(StringComparer.Ordinal);
        List<StoredChunk> inOrder = [];
        Log = IndexLog.Open(folder.Index, (stored, name) =>
        {
            if (stored is null)
            {
                found.Remove(name);
            }
            else if (!found.TryGetValue(name, out var known))
            {
                found.Add(name, stored);
                inOrder.Add(stored);
            }
            else if (known.Chunk.IsSame(stored.Chunk))
            {
                (known.Segment, known.Offset) = (stored.Segment, stored.Offset);
            }
        });
        Index.AddAll([.. inOrder.Where(stored => found.GetValueOrDefault(stored.Chunk.Name) == stored)]);
    }

    public SegmentFiles Segments { get; }

    public IndexLog Log { get; }

    public ChunkIndex Index { get; } = new();

    /// <summary>Reads what is in a folder. Its owner cuts off what was never finished, and deletes what nothing names.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static StoreFiles Open(StoreFolder folder, PrefixStoreOptions options)
    {
        var files = new StoreFiles(folder, options);
        try
        {
            files.DropMissing();
            if (files._isOwner)
                files.Tidy();
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Writes the log anew: what was used last is told last.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Snapshot() => Log.Rewrite(Index.ByUse);

    /// <summary>
    /// Makes room: forgets what was not used for the longest time, copies what is left of segments that hold little else, and deletes those.
    /// </summary>
    /// <param name="gate">Of the index.</param>
    /// <param name="mostBytes">That segments may take.</param>
    /// <returns>Chunks that were forgotten.</returns>
    /// <exception cref="IOException">A file cannot be written or deleted, or there is no such room.</exception>
    public int MakeRoom(Lock gate, long mostBytes, Action<string>? writing)
    {
        List<string> gone = [];
        while (Segments.Bytes > mostBytes)
        {
            if (Sparsest() is { } segment)
            {
                writing?.Invoke("move");
                // Names are forgotten before what they stand for goes.
                Log.Append([], gone, syncs: false);
                gone.Clear();
                Empty(gate, segment);
                continue;
            }

            using var scope = gate.EnterScope();
            var oldest = Index.Oldest() ?? throw new IOException($"the store may take no more than {mostBytes} bytes beside what is to be written");
            gone.AddRange(Index.Forget(oldest));
            Evicted++;
        }

        Log.Append([], gone, syncs: false);
        var evicted = Evicted;
        Evicted = 0;
        return evicted;
    }

    /// <summary>Forgets everything and deletes all segments.</summary>
    /// <exception cref="IOException">A file cannot be written or deleted.</exception>
    public void Clear(Lock gate)
    {
        using (gate.EnterScope())
        {
            while (Index.Oldest() is { } oldest)
                Index.Forget(oldest);
        }

        Snapshot();
        foreach (var segment in Segments.Numbers)
            Segments.Delete(segment);
    }

    public void Dispose()
    {
        Segments.Dispose();
        Log.Dispose();
    }

    private int Evicted { get; set; }

    // Of files that somebody has deleted or cut.
    private void DropMissing()
    {
        foreach (var stored in Index.ByUse.ToArray())
        {
            if (stored.Offset + stored.Bytes > Segments.LengthOf(stored.Segment) && Index.Find(stored.Chunk.Name) == stored)
                Index.Forget(stored);
        }
    }

    private void Tidy()
    {
        Snapshot();
        foreach (var segment in Segments.Numbers)
        {
            var chunks = Index.In(segment);
            if (chunks.Length == 0)
                Segments.Delete(segment);
            else
                Segments.Cut(segment, chunks.Max(static stored => stored.Offset + stored.Bytes));
        }
    }

    // A segment that is worth copying; null for none.
    private int? Sparsest()
    {
        int? sparsest = null;
        var least = SparseShare;
        foreach (var segment in Segments.Numbers)
        {
            var share = Index.LiveBytes(segment) / (double)Math.Max(1, Segments.LengthOf(segment));
            if (share < least || (share == 0 && sparsest is null))
                (sparsest, least) = (segment, share);
        }

        return sparsest;
    }

    private void Empty(Lock gate, int segment)
    {
        List<StoredChunk> moved = [];
        if (Segments.Current == segment)
            Segments.Seal();
        foreach (var stored in Index.In(segment))
        {
            using var memory = NativeBuffer.Uninitialized(stored.Bytes);
            var record = memory.Span<byte>(checked((int)stored.Bytes));
            if (!Segments.TryRead(segment, stored.Offset, record))
                continue;
            var (to, offset) = Segments.Append(record);
            using var scope = gate.EnterScope();
            Index.Move(stored, to, offset);
            moved.Add(stored);
        }

        // Where they are now is known before they are gone from where they were.
        Segments.Sync();
        // A chain's first chunks are told first.
        Log.Append(moved, [], syncs: true);
        Segments.Delete(segment);
    }
}
