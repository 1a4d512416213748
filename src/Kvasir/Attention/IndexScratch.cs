using Kvasir.Kernels.Memory;

namespace Kvasir.Attention;

/// <summary>Memory in which one worker builds indexes: as much as was ever asked for at once.</summary>
public sealed class IndexScratch : IDisposable
{
    private NativeBuffer? _memory;

    public long Bytes => _memory?.Bytes ?? 0;

    /// <summary>So many bytes, at least 1, of unknown contents.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public NativeView Take(long bytes)
    {
        if (Bytes < bytes)
        {
            Dispose();
            _memory = NativeBuffer.Uninitialized(bytes);
        }

        return _memory!.View.Slice(0, bytes);
    }

    public void Dispose()
    {
        _memory?.Dispose();
        _memory = null;
    }
}
