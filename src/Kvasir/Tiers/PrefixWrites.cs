using System.Collections.Concurrent;
using Kvasir.Cache;
using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>
/// A thread that writes chains of the prefix cache to stores, behind everything else: so slowly that a disk has time for others, and only as long as nobody
/// needs the memory. Columns stay in memory until they are written; who adds them and takes them back is the engine's thread.
/// </summary>
/// <param name="cache">Whose columns they are.</param>
/// <param name="stores">Each is given all chunks.</param>
internal sealed class PrefixWrites(KvCache cache, IReadOnlyList<IPrefixStore> stores, TimeProvider time) : IDisposable
{
    private const int MostJobs = 64;
    private const double MostWaitMs = 3_600_000;
    private static readonly TimeSpan CloseTime = TimeSpan.FromSeconds(30);
    private readonly BlockingCollection<Job> _queue = [];
    private readonly List<Job> _jobs = [];
    private readonly ManualResetEvent _hurry = new(false);
    private readonly AutoResetEvent _written = new(false);
    private Thread? _thread;
    private long _left;

    /// <summary>The most that is written; 0 for as much as stores take.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Chains that were left out: too many waited, or their memory was needed.</summary>
    public long LeftCount => _left;

    /// <summary>Whether somebody waits for memory until a chain is written.</summary>
    public bool IsAwaited => _jobs.Exists(static job => job.PatienceMs > 0);

    /// <summary>Adds a chain, which leaves the tree when it is written.</summary>
    /// <param name="path">In the tree.</param>
    /// <param name="chunks">Of its columns, from the first.</param>
    /// <param name="patienceMs">How long those who need the memory wait for it, and then it is written at once; 0 for not at all.</param>
    public void Add(PrefixPath path, PrefixChunk[] chunks, double patienceMs = 0)
    {
        Sweep();
        if (_jobs.Count >= MostJobs)
        {
            _left++;
            path.Leave();
            return;
        }

        if (_thread is null)
        {
            _thread = new Thread(Run) { IsBackground = true, Name = "kvasir prefix writes" };
            _thread.Start();
        }

        var job = new Job(path, path.Columns.ToArray(), chunks) { AddedAt = time.GetTimestamp(), PatienceMs = patienceMs };
        _jobs.Add(job);
        _queue.Add(job);
    }

    /// <summary>Lets columns go that are written.</summary>
    public void Sweep()
    {
        for (var i = _jobs.Count - 1; i >= 0; i--)
        {
            if (!_jobs[i].IsDone)
                continue;
            _jobs[i].Path.Leave();
            _jobs.RemoveAt(i);
        }
    }

    /// <summary>Waits until something that is awaited is written, or for a while.</summary>
    public void Wait(TimeSpan most) => _written.WaitOne(most);

    /// <summary>
    /// Lets all columns go, since others need the memory: those that are not written by now never are. Those that are awaited stay until patience is over.
    /// False when there are none.
    /// </summary>
    /// <param name="leastMs">Those that came later than so long ago stay.</param>
    public bool Yield(double leastMs = 0) => End(leastMs, keepsAwaited: true);

    /// <summary>Lets all columns go at once. False when there are none.</summary>
    public bool Clear() => End(leastMs: 0, keepsAwaited: false);

    /// <summary>Writes what is left, but for no longer than a while. Then nobody reads pages of the cache any more.</summary>
    public void Dispose()
    {
        _hurry.Set();
        _queue.CompleteAdding();
        var isOver = _thread?.Join(CloseTime) ?? true;
        Clear();
        if (!isOver)
            return;
        _queue.Dispose();
        _hurry.Dispose();
        _written.Dispose();
    }

    private bool End(double leastMs, bool keepsAwaited)
    {
        var count = _jobs.Count;
        for (var i = count - 1; i >= 0; i--)
        {
            var job = _jobs[i];
            if (time.GetElapsedTime(job.AddedAt).TotalMilliseconds < Math.Max(leastMs, keepsAwaited ? job.PatienceMs : 0))
                continue;
            _left += job.TryEnd() ? 1 : 0;
            job.Path.Leave();
            _jobs.RemoveAt(i);
        }

        return _jobs.Count < count;
    }

    private void Run()
    {
        foreach (var job in _queue.GetConsumingEnumerable())
        {
            for (var (i, column) = (0, 0); i < job.Chunks.Length; column += job.Chunks[i++].ColumnCount)
            {
                if (!TryWrite(job, job.Chunks[i], column))
                    break;
            }

            foreach (var store in stores)
                store.Flush();
            job.TryEnd();
            _written.Set();
        }
    }

    // False where the rest is not to be written.
    private bool TryWrite(Job job, PrefixChunk chunk, int column)
    {
        var isKnown = true;
        foreach (var store in stores)
            isKnown &= store.IsKnown(chunk.Name);
        if (isKnown)
            return true;
        using var memory = NativeBuffer.Uninitialized(chunk.Bytes);
        if (!job.TryCopy(cache, column, memory.Span<byte>(chunk.Bytes)))
            return false;
        var isTaken = false;
        foreach (var store in stores)
            isTaken |= store.IsKnown(chunk.Name) || store.TryWrite(chunk, memory.Span<byte>(chunk.Bytes));
        if (BytesPerSecond > 0 && job.PatienceMs == 0)
            _hurry.WaitOne(TimeSpan.FromMilliseconds(Math.Min(chunk.Bytes * 1000.0 / BytesPerSecond, MostWaitMs)));
        return isTaken;
    }

    private sealed class Job(PrefixPath path, PrefixColumn[] columns, PrefixChunk[] chunks)
    {
        private readonly Lock _gate = new();
        private bool _isDone;

        public PrefixPath Path { get; } = path;

        public PrefixChunk[] Chunks { get; } = chunks;

        public required long AddedAt { get; init; }

        public required double PatienceMs { get; init; }

        public bool IsDone => Volatile.Read(ref _isDone);

        /// <summary>Says that columns are read no longer. False where that was said before.</summary>
        public bool TryEnd()
        {
            using var gate = _gate.EnterScope();
            var ends = !_isDone;
            Volatile.Write(ref _isDone, true);
            return ends;
        }

        /// <summary>Copies the columns of a chunk. False when that is over: they may be others' by now.</summary>
        public bool TryCopy(KvCache cache, int first, Span<byte> rows)
        {
            using var gate = _gate.EnterScope();
            if (_isDone)
                return false;
            var bytes = cache.HeadCount * cache.Pool.PageBytes;
            for (var at = 0; at < rows.Length; at += bytes)
                cache.CopyColumn(columns[first++], rows.Slice(at, bytes));
            return true;
        }
    }
}
