using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>Blocks of native memory of any size, of which the last is given back first: nothing is allocated on the managed heap beyond the list of them.</summary>
public sealed unsafe class NativeBlocks : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private const int Alignment = 64;
    private readonly NativeView[] _blocks;

    /// <param name="maxBlocks">The most that there will be at a time.</param>
    public NativeBlocks(int maxBlocks) => _blocks = new NativeView[maxBlocks];

    ~NativeBlocks() => Free();

    public int Count { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Adds a block of unknown contents.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public NativeView Add(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Count, _blocks.Length);
        var isLarge = bytes >= HugePageBytes;
        var start = AlignedMemory.Allocate(bytes, isLarge ? HugePageBytes : Alignment);
        if (isLarge)
            SystemMemory.AdviseHugePages(start, bytes);
        Bytes += bytes;
        return _blocks[Count++] = new NativeView((byte*)start, bytes);
    }

    /// <summary>Gives the last block back.</summary>
    public void Drop()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Count, 1);
        var block = _blocks[--Count];
        Bytes -= block.Bytes;
        NativeMemory.AlignedFree(block.Start);
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        while (Count > 0)
            Drop();
    }
}
