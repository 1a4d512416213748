using Kvasir.Kernels.Memory;

namespace Kvasir.Tiers;

/// <summary>
/// Chunks of one chain on their way from stores, in order: one thread reads them, another takes them. Each is in memory of its own until it is taken, so that
/// one which comes when nobody waits any more touches nothing that is another's by then.
/// </summary>
/// <param name="chunks">Each follows the one before it.</param>
internal sealed class PrefixLoad(PrefixChunk[] chunks)
{
    private readonly Queue<(PrefixChunk Chunk, NativeBuffer Rows)> _came = new();
    private readonly Lock _gate = new();
    private bool _isEnded;
    private bool _isCancelled;
    private long _aheadBytes;

    public ReadOnlySpan<PrefixChunk> Chunks => chunks;

    /// <summary>Bytes of chunks that came and were not taken.</summary>
    public long AheadBytes => Volatile.Read(ref _aheadBytes);

    /// <summary>Whether nobody wants more.</summary>
    public bool IsCancelled => Volatile.Read(ref _isCancelled);

    /// <summary>Whether nothing is there to be taken, and nothing more will be.</summary>
    public bool IsOver
    {
        get
        {
            using var gate = _gate.EnterScope();
            return _isCancelled || (_isEnded && _came.Count == 0);
        }
    }

    /// <summary>Takes the next chunk, whose memory is the taker's to dispose. False while it has not come.</summary>
    public bool TryTake(out PrefixChunk chunk, out NativeBuffer rows)
    {
        using var gate = _gate.EnterScope();
        if (!_came.TryDequeue(out var next))
        {
            (chunk, rows) = (null!, null!);
            return false;
        }

        (chunk, rows) = next;
        _aheadBytes -= chunk.Bytes;
        return true;
    }

    /// <summary>Gives back what came, and whatever comes yet.</summary>
    public void Cancel()
    {
        using var gate = _gate.EnterScope();
        _isCancelled = true;
        while (_came.TryDequeue(out var next))
            next.Rows.Dispose();
        _aheadBytes = 0;
    }

    /// <summary>A chunk has been read.</summary>
    public void Deliver(PrefixChunk chunk, NativeBuffer rows)
    {
        using var gate = _gate.EnterScope();
        if (_isCancelled)
        {
            rows.Dispose();
            return;
        }

        _came.Enqueue((chunk, rows));
        _aheadBytes += chunk.Bytes;
    }

    /// <summary>No more will come.</summary>
    public void End()
    {
        using var gate = _gate.EnterScope();
        _isEnded = true;
    }
}
