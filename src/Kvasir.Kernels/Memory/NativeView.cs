using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// A stretch of native memory that somebody else owns (<see cref="NativeBuffer"/> or <see cref="MappedFile"/>): longer than a
/// span can be, and valid only while the owner lives.
/// </summary>
public readonly unsafe struct NativeView
{
    private readonly byte* _start;

    internal NativeView(byte* start, long bytes)
    {
        _start = start;
        Bytes = bytes;
    }

    /// <summary>Length in bytes.</summary>
    public long Bytes { get; }

    /// <summary>The address of the first byte, for kernels that walk tables of pages.</summary>
    public nint Address => (nint)_start;

    internal byte* Start => _start;

    /// <summary>The bytes [<paramref name="offset"/>, <paramref name="offset"/> + <paramref name="length"/>) as a span.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<byte> Span(long offset, int length)
    {
        RequireInside(offset, length);
        return new Span<byte>(_start + offset, length);
    }

    /// <summary>The same bytes read as <typeparamref name="T"/>; <paramref name="offset"/> is in bytes, <paramref name="count"/> in elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Span<T> Span<T>(long offset, int count)
        where T : unmanaged
    {
        RequireInside(offset, (long)count * sizeof(T));
        return new Span<T>(_start + offset, count);
    }

    /// <summary>A view of a part; <paramref name="offset"/> and <paramref name="bytes"/> must lie inside.</summary>
    public NativeView Slice(long offset, long bytes)
    {
        RequireInside(offset, bytes);
        return new NativeView(_start + offset, bytes);
    }

    /// <summary>Where another view begins in this one; false when not all of it lies inside.</summary>
    public bool TryFind(NativeView part, out long offset)
    {
        offset = part.Address - Address;
        return offset >= 0 && part.Bytes <= Bytes - offset;
    }

    /// <summary>Copies all bytes to the start of <paramref name="destination"/>, which is at least as long and does not overlap.</summary>
    public void CopyTo(NativeView destination)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(destination.Bytes, Bytes, nameof(destination));
        Buffer.MemoryCopy(_start, destination._start, destination.Bytes, Bytes);
    }

    private void RequireInside(long offset, long bytes)
    {
        if ((ulong)offset > (ulong)Bytes || (ulong)bytes > (ulong)(Bytes - offset))
            throw new ArgumentOutOfRangeException(nameof(offset), $"bytes [{offset}, {offset} + {bytes}) lie outside a view of {Bytes} bytes");
    }
}
