using Kvasir.Kernels.Memory;

namespace Kvasir.Models.Streaming;

/// <summary>Threads that read weights from their files for as long as there is something to read, and wait at a gate otherwise.</summary>
/// <param name="gate">Held when <paramref name="reads"/> is called; pulsed when there is more to read, and when there is more to see.</param>
/// <param name="name">Of the threads.</param>
internal sealed class WeightReaders<TLoad>(object gate, IWeightReads<TLoad> reads, string name) : IDisposable
{
    private const int ThreadCount = 4;
    private readonly Lock _started = new();
    private readonly Thread[] _threads = new Thread[ThreadCount];
    private bool _isClosed;
    private long _bytesRead;

    /// <summary>So far.</summary>
    public long BytesRead => Volatile.Read(ref _bytesRead);

    /// <summary>Begins to read, when somebody computes for the first time.</summary>
    public void Start()
    {
        lock (_started)
        {
            if (_threads[0] is not null)
                return;
            for (var i = ThreadCount - 1; i >= 0; i--)
            {
                _threads[i] = new Thread(ReadAll, 256 << 10) { IsBackground = true, Name = name };
                _threads[i].Start();
            }
        }
    }

    /// <summary>Returns when nothing is read any more.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            _isClosed = true;
            Monitor.PulseAll(gate);
        }

        foreach (var thread in _threads)
            thread?.Join();
    }

    private void ReadAll()
    {
        while (TryClaim(out var load, out var piece, out var memory))
        {
            Exception? fault = null;
            try
            {
                piece.File.Read(piece.Offset, memory);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
            {
                fault = e;
            }

            lock (gate)
            {
                _bytesRead += piece.Bytes;
                if (reads.Complete(load, fault))
                    Monitor.PulseAll(gate);
            }
        }
    }

    // Waits for something to read; false when there will be nothing any more.
    private bool TryClaim(out TLoad load, out WeightFiles.Piece piece, out NativeView memory)
    {
        lock (gate)
        {
            while (!_isClosed)
            {
                if (reads.TryClaim(out load, out piece, out memory))
                    return true;
                Monitor.Wait(gate);
            }
        }

        (load, piece, memory) = (default!, default, default);
        return false;
    }
}

/// <summary>What is to be read, as <see cref="WeightReaders{TLoad}"/> asks for it with its gate held.</summary>
/// <typeparam name="TLoad">What a piece belongs to.</typeparam>
internal interface IWeightReads<TLoad>
{
    /// <summary>Gives the next piece out, and where it is to be put. False when there is none.</summary>
    bool TryClaim(out TLoad load, out WeightFiles.Piece piece, out NativeView memory);

    /// <summary>A piece was read, or could not be.</summary>
    /// <returns>Whether those who wait should look again.</returns>
    bool Complete(TLoad load, Exception? fault);
}
