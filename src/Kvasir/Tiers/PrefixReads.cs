using System.Collections.Concurrent;
using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>
/// A thread that reads chunks for those who wait for them. What takes longer than a slow disk would is not waited for: it may hang for ever, and then nobody
/// hangs but this thread.
/// </summary>
internal sealed class PrefixReads : IDisposable
{
    // Of each load.
    private const long MostAheadBytes = 256 << 20;
    private const double GraceMs = 250;

    // The first read waits for code to be compiled as well.
    private const double FirstGraceMs = 2000;
    private const double SlowBytesPerMs = 100_000;
    private const int CloseMs = 1000;
    private readonly IReadOnlyList<IPrefixStore> _stores;
    private readonly TimeProvider _time;
    private readonly BlockingCollection<PrefixLoad> _loads = [];
    private readonly AutoResetEvent _came = new(false);
    private readonly AutoResetEvent _taken = new(false);
    private readonly Thread _thread;
    private long _readingSince;
    private long _readingBytes;
    private bool _isReading;
    private bool _hasRead;
    private double _bytesPerMs = SlowBytesPerMs;
    private volatile bool _isClosed;

    /// <param name="stores">Asked in this order.</param>
    public PrefixReads(IReadOnlyList<IPrefixStore> stores, TimeProvider time)
    {
        (_stores, _time) = (stores, time);
        _thread = new Thread(Run) { IsBackground = true, Name = "kvasir prefixes" };
        _thread.Start();
    }

    /// <summary>Whether what is being read takes so long that nobody is to wait for it.</summary>
    public bool IsLate => Volatile.Read(ref _isReading) && _time.GetElapsedTime(Volatile.Read(ref _readingSince)).TotalMilliseconds
        > (Volatile.Read(ref _hasRead) ? GraceMs : FirstGraceMs) + (Volatile.Read(ref _readingBytes) / SlowBytesPerMs);

    /// <summary>What reading so much will take, by the last that were read; before the first, as of a slow disk.</summary>
    public double EstimatedMs(long bytes) => bytes / Volatile.Read(ref _bytesPerMs);

    /// <summary>Begins to read chunks.</summary>
    public PrefixLoad Begin(PrefixChunk[] chunks)
    {
        var load = new PrefixLoad(chunks);
        _loads.Add(load);
        return load;
    }

    /// <summary>Waits until something has come, or for a while.</summary>
    public void Wait(TimeSpan most) => _came.WaitOne(most);

    /// <summary>Says that something was taken, and there is room for more.</summary>
    public void Go() => _taken.Set();

    public void Dispose()
    {
        _isClosed = true;
        _loads.CompleteAdding();
        _taken.Set();
        // One that hangs has no memory but its own.
        if (!_thread.Join(CloseMs))
            return;
        _loads.Dispose();
        _came.Dispose();
        _taken.Dispose();
    }

    private void Run()
    {
        foreach (var load in _loads.GetConsumingEnumerable())
        {
            foreach (var chunk in load.Chunks)
            {
                while (load.AheadBytes > MostAheadBytes && !_isClosed)
                    _taken.WaitOne();
                if (load.IsCancelled || _isClosed || !TryRead(load, chunk))
                    break;
                _came.Set();
            }

            load.End();
            _came.Set();
        }
    }

    private bool TryRead(PrefixLoad load, PrefixChunk chunk)
    {
        var rows = NativeBuffer.Uninitialized(chunk.Bytes);
        Volatile.Write(ref _readingBytes, chunk.Bytes);
        Volatile.Write(ref _readingSince, _time.GetTimestamp());
        Volatile.Write(ref _isReading, true);
        var isThere = false;
        foreach (var store in _stores)
            isThere = isThere || store.TryRead(chunk, rows.Span<byte>(chunk.Bytes));
        Volatile.Write(ref _isReading, false);
        Volatile.Write(ref _hasRead, true);
        if (isThere)
        {
            var ms = Math.Max(0.01, _time.GetElapsedTime(_readingSince).TotalMilliseconds);
            Volatile.Write(ref _bytesPerMs, (0.5 * _bytesPerMs) + (0.5 * chunk.Bytes / ms));
            load.Deliver(chunk, rows);
        }
        else
            rows.Dispose();
        return isThere;
    }
}
