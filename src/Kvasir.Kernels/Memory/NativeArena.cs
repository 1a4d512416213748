using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// Native memory that grows slab by slab up to a limit and never touches the managed heap while it grows, so that taking a
/// page in a decode step allocates nothing there. Fresh slabs are zeroed; slabs are 2 MiB aligned and ask for huge pages.
/// </summary>
public sealed unsafe class NativeArena : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private readonly nint[] _slabs;

    /// <param name="slabBytes">At least 1.</param>
    /// <param name="slabLimit">The most slabs that will ever be taken, at least 1.</param>
    public NativeArena(int slabBytes, int slabLimit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(slabBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(slabLimit, 1);
        SlabBytes = slabBytes;
        _slabs = new nint[slabLimit];
    }

    public int SlabBytes { get; }

    public int SlabCount { get; private set; }

    /// <summary>Takes one more slab from the system. False at the limit, or when the system has no memory.</summary>
    public bool TryGrow()
    {
        if (SlabCount == _slabs.Length)
            return false;
        void* slab;
        try
        {
            slab = NativeMemory.AlignedAlloc((nuint)SlabBytes, HugePageBytes);
        }
        catch (OutOfMemoryException)
        {
            return false;
        }

        SystemMemory.AdviseHugePages(slab, SlabBytes);
        NativeMemory.Clear(slab, (nuint)SlabBytes);
        _slabs[SlabCount++] = (nint)slab;
        return true;
    }

    /// <summary>The address of a byte: <paramref name="slab"/> counts from 0, <paramref name="offset"/> lies inside it.</summary>
    public nint Address(int slab, int offset)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)slab, (uint)SlabCount, nameof(slab));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)offset, (uint)SlabBytes, nameof(offset));
        return _slabs[slab] + offset;
    }

    /// <summary>Bytes of a slab as a span.</summary>
    public Span<byte> Span(int slab, int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)length, (uint)(SlabBytes - offset), nameof(length));
        return new Span<byte>((void*)Address(slab, offset), length);
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        for (var i = 0; i < SlabCount; i++)
            NativeMemory.AlignedFree((void*)_slabs[i]);
        SlabCount = 0;
    }

    ~NativeArena()
    {
        Release();
    }
}
