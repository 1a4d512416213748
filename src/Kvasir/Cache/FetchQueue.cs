using System.IO.Hashing;
using Kvasir.Cache.Slots;
using Kvasir.Ground;
using Kvasir.Kernels.Files;
using Kvasir.Kernels.Memory;

namespace Kvasir.Cache;

/// <summary>
/// Reads and writes of pages, done by threads of its own: reads that somebody waits for before those that are ahead, and both before writes, in the order in
/// which they were asked for, pages that follow one another together. Asking and serving allocate nothing.
/// </summary>
internal sealed class FetchQueue : IDisposable
{
    private const int RunTargetBytes = 128 << 10;
    private readonly IPageStore _store;
    private readonly Placement _placement;
    private readonly NativeBuffer _buffer;
    private readonly int _pageBytes;
    private readonly int _runBytes;
    private readonly Thread[] _threads;
    private readonly object _gate = new();
    private readonly Ring _reads;
    private readonly Ring _ahead;
    private readonly Ring _writes;

    // [pages]: whether it is to be read and nobody does so yet; one that was hurried is in two rings.
    private readonly bool[] _isWaiting;

    // [pages]: of what was written.
    private readonly ulong[] _sums;
    private bool _isClosed;

    /// <param name="placement">Where pages come from and go to.</param>
    /// <param name="pageBytes">Of a page in memory.</param>
    /// <param name="mostPages">The most that are under way at a time.</param>
    public FetchQueue(Placement placement, int pageBytes, int threadCount, int mostPages)
    {
        (_store, _placement, _pageBytes) = (placement.Store, placement, pageBytes);
        (_reads, _ahead, _writes) = (new Ring(mostPages), new Ring(mostPages), new Ring(mostPages));
        (_sums, _isWaiting) = (new ulong[_store.PageCount], new bool[_store.PageCount]);
        _runBytes = Math.Max(RunTargetBytes / _store.PageBytes, 1) * _store.PageBytes;
        // Large enough to be aligned as direct reads ask for.
        _buffer = NativeBuffer.Uninitialized(Math.Max(TableBytes.BufferBytes, (long)threadCount * _runBytes));
        _threads = new Thread[threadCount];
        for (var i = 0; i < threadCount; i++)
        {
            var index = i;
            _threads[i] = new Thread(() => Serve(index), 256 << 10) { IsBackground = true, Name = "kv pages" };
            _threads[i].Start();
        }
    }

    /// <summary>Whether there is room for one more page that is read ahead.</summary>
    public bool CanAsk
    {
        get
        {
            lock (_gate)
                return _ahead.HasRoom;
        }
    }

    /// <param name="isAhead">Whether nobody waits for it yet.</param>
    public void Read(int page, bool isAhead)
    {
        lock (_gate)
        {
            _isWaiting[page] = true;
            Add(isAhead ? _ahead : _reads, page);
        }
    }

    /// <summary>Says that somebody waits for a page that is read ahead.</summary>
    public void Hurry(int page)
    {
        lock (_gate)
        {
            if (_isWaiting[page])
                Add(_reads, page);
        }
    }

    public void Write(int page)
    {
        lock (_gate)
            Add(_writes, page);
    }

    /// <summary>Ends the threads; what they have not begun is left.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            Monitor.PulseAll(_gate);
        }

        foreach (var thread in _threads)
            thread.Join();
        _buffer.Dispose();
    }

    private void Add(Ring ring, int page)
    {
        ring.Add(page);
        Monitor.Pulse(_gate);
    }

    private void Serve(int thread)
    {
        while (TryTake(out var first, out var count, out var isRead))
        {
            var run = _buffer.View.Slice((long)thread * _runBytes, (long)count * _store.PageBytes);
            if (isRead)
                Read(first, count, run);
            else
                Write(first, count, run);
        }
    }

    private bool TryTake(out int first, out int count, out bool isRead)
    {
        lock (_gate)
        {
            while (!Skip(_reads) && !Skip(_ahead) && _writes.Count == 0 && !_isClosed)
                Monitor.Wait(_gate);
            (first, count, isRead) = (0, 0, _reads.Count + _ahead.Count > 0);
            if (_isClosed)
                return false;
            var ring = _reads.Count > 0 ? _reads : isRead ? _ahead : _writes;
            first = Take(ring, isRead);
            var most = Math.Min(_runBytes / _store.PageBytes, _store.RunFrom(first));
            for (count = 1; count < most && ring.Count > 0 && ring.Next == first + count && (!isRead || _isWaiting[ring.Next]); count++)
                Take(ring, isRead);
            return true;
        }
    }

    // Past what has been begun. False when nothing is left.
    private bool Skip(Ring reads)
    {
        while (reads.Count > 0 && !_isWaiting[reads.Next])
            reads.Take();
        return reads.Count > 0;
    }

    private int Take(Ring ring, bool isRead)
    {
        var page = ring.Take();
        if (isRead)
            _isWaiting[page] = false;
        return page;
    }

    // Once more, when what comes is not what was written: each page by itself, since others of the run may be sound.
    private void Read(int first, int count, NativeView run)
    {
        if (TryRead(first, count, run) is null)
        {
            _placement.EndRead(first, count, null);
            return;
        }

        for (var page = first; page < first + count; page++)
            _placement.EndRead(page, 1, TryRead(page, 1, run.Slice(0, _store.PageBytes)));
    }

    private string? TryRead(int first, int count, NativeView run)
    {
        try
        {
            _store.Read(first, run);
        }
        catch (Exception problem)
        {
            return problem.Message;
        }

        for (var page = first; page < first + count; page++)
        {
            if (Sum(page, Page(run, page - first)) != _sums[page])
                return $"what is read of page {page} is not what was written there";
        }

        for (var page = first; page < first + count; page++)
            Page(run, page - first).CopyTo(_placement.Bytes(page, 0, _pageBytes));
        return null;
    }

    private void Write(int first, int count, NativeView run)
    {
        for (var page = first; page < first + count; page++)
            _placement.Bytes(page, 0, _pageBytes).CopyTo(Page(run, page - first));

        try
        {
            _store.Write(first, run);
            for (var page = first; page < first + count; page++)
                _sums[page] = Sum(page, Page(run, page - first));
        }
        catch (Exception problem)
        {
            _placement.EndWrite(first, count, problem.Message);
            return;
        }

        _placement.EndWrite(first, count, null);
    }

    private static ulong Sum(int page, ReadOnlySpan<byte> bytes) => XxHash3.HashToUInt64(bytes, seed: page);

    private Span<byte> Page(NativeView run, int index) => run.Span((long)index * _store.PageBytes, _pageBytes);

    private sealed class Ring(int capacity)
    {
        private readonly int[] _pages = new int[capacity];
        private int _first;

        public int Count { get; private set; }

        public int Next => _pages[_first];

        public bool HasRoom => Count < _pages.Length;

        public void Add(int page)
        {
            Invariant.Holds(Count < _pages.Length);
            _pages[(_first + Count++) % _pages.Length] = page;
        }

        public int Take()
        {
            var page = _pages[_first];
            (_first, Count) = ((_first + 1) % _pages.Length, Count - 1);
            return page;
        }
    }
}
