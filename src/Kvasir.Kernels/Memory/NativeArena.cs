using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// Native memory in slabs that come and go, without touching the managed heap, so that taking a page in a decode step allocates
/// nothing there. Fresh slabs are zeroed; slabs are 2 MiB aligned and ask for huge pages.
/// </summary>
public sealed unsafe class NativeArena : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private readonly nint[] _slabs;
    private readonly int[] _bytes;

    /// <param name="slabLimit">The most slabs at a time, at least 1.</param>
    public NativeArena(int slabLimit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slabLimit, 1);
        (_slabs, _bytes) = (new nint[slabLimit], new int[slabLimit]);
    }

    ~NativeArena() => Release();

    /// <summary>The lowest number that no slab has; negative when all have one.</summary>
    public int FirstFree => Array.IndexOf(_slabs, 0);

    /// <summary>Bytes of all slabs.</summary>
    public long Bytes { get; private set; }

    /// <summary>Whether there is a slab of this number.</summary>
    public bool Has(int slab) => _slabs[slab] != 0;

    /// <summary>Takes a slab from the system. False when that has no memory.</summary>
    /// <param name="slab">A number that no slab has.</param>
    /// <param name="bytes">At least 1.</param>
    public bool TryAdd(int slab, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(_slabs[slab], 0, nameof(slab));
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        void* start;
        try
        {
            start = AlignedMemory.Allocate(bytes, HugePageBytes);
        }
        catch (OutOfMemoryException)
        {
            return false;
        }

        SystemMemory.AdviseHugePages(start, bytes);
        NativeMemory.Clear(start, (nuint)bytes);
        (_slabs[slab], _bytes[slab]) = ((nint)start, bytes);
        Bytes += bytes;
        return true;
    }

    /// <summary>Gives a slab back to the system; its number is free again.</summary>
    public void Drop(int slab)
    {
        NativeMemory.AlignedFree((void*)_slabs[slab]);
        Bytes -= _bytes[slab];
        (_slabs[slab], _bytes[slab]) = (0, 0);
    }

    /// <summary>The address of a byte: <paramref name="slab"/> is one that there is, <paramref name="offset"/> lies inside it.</summary>
    public nint Address(int slab, int offset)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)offset, (uint)_bytes[slab], nameof(offset));
        return _slabs[slab] + offset;
    }

    /// <summary>Bytes of a slab as a span.</summary>
    public Span<byte> Span(int slab, int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)(_bytes[slab] - offset), nameof(length));
        return new Span<byte>((void*)Address(slab, offset), length);
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        for (var slab = 0; slab < _slabs.Length; slab++)
            Drop(slab);
    }
}
