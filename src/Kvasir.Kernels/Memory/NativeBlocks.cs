using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>Blocks of native memory of any size: nothing is allocated on the managed heap beyond the list of them.</summary>
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
        return _blocks[Count++] = Allocate(bytes);
    }

    /// <summary>A block that was added.</summary>
    public NativeView Block(int index) => _blocks.AsSpan(0, Count)[index];

    /// <summary>Moves the beginning of a block to a smaller one, which takes its place.</summary>
    /// <exception cref="OutOfMemoryException">The system has no such block.</exception>
    public NativeView Shrink(int index, long bytes)
    {
        var block = _blocks.AsSpan(0, Count)[index];
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, block.Bytes);
        var smaller = Allocate(bytes);
        Buffer.MemoryCopy(block.Start, smaller.Start, bytes, bytes);
        Free(block);
        return _blocks[index] = smaller;
    }

    /// <summary>Gives a block back; those behind it move up.</summary>
    public void Remove(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        Free(_blocks[index]);
        _blocks.AsSpan(index + 1, --Count - index).CopyTo(_blocks.AsSpan(index));
    }

    /// <summary>Gives the last block back.</summary>
    public void Drop() => Remove(Count - 1);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private NativeView Allocate(long bytes)
    {
        var isLarge = bytes >= HugePageBytes;
        var start = AlignedMemory.Allocate(bytes, isLarge ? HugePageBytes : Alignment);
        if (isLarge)
            SystemMemory.AdviseHugePages(start, bytes);
        Bytes += bytes;
        return new NativeView((byte*)start, bytes);
    }

    private void Free(NativeView block)
    {
        Bytes -= block.Bytes;
        NativeMemory.AlignedFree(block.Start);
    }

    private void Free()
    {
        while (Count > 0)
            Drop();
    }
}
