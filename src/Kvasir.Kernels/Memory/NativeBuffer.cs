using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// Memory outside the managed heap. Large buffers are aligned to 2 MiB and ask for huge pages: with 4 KiB pages a
/// gather over the KV cache spends its time in the TLB.
/// </summary>
public sealed unsafe class NativeBuffer : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private const int CacheLineBytes = 64;
    private void* _start;

    /// <summary>Zeros.</summary>
    /// <param name="bytes">At least 1.</param>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public NativeBuffer(long bytes)
        : this(bytes, zeroed: true)
    {
    }

    private NativeBuffer(long bytes, bool zeroed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        var alignment = bytes >= HugePageBytes ? HugePageBytes : CacheLineBytes;
        _start = AlignedMemory.Allocate(bytes, alignment);
        Bytes = bytes;
        if (alignment == HugePageBytes)
            SystemMemory.AdviseHugePages(_start, bytes);
        if (zeroed)
            NativeMemory.Clear(_start, (nuint)bytes);
        GC.KeepAlive(this);
    }

    /// <summary>Length in bytes.</summary>
    public long Bytes { get; }

    /// <summary>A buffer of unknown contents: each page is touched first, and so placed and cleared, by the thread that fills it.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public static NativeBuffer Uninitialized(long bytes) => new(bytes, zeroed: false);

    /// <summary>The whole buffer.</summary>
    public NativeView View
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start is null, this);
            return new NativeView((byte*)_start, Bytes);
        }
    }

    /// <summary>Elements from the start of the buffer.</summary>
    public Span<T> Span<T>(int count)
        where T : unmanaged => View.Span<T>(0, count);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_start);
        _start = null;
        GC.SuppressFinalize(this);
    }

    ~NativeBuffer()
    {
        NativeMemory.AlignedFree(_start);
    }
}
