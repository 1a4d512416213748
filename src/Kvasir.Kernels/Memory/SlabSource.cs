using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// Where slabs come from: the system's memory, or whatever else can be read and written at an address, such as a file that is mapped. One thread at a time
/// asks.
/// </summary>
public abstract unsafe class SlabSource
{
    /// <summary>The system's memory, from 2 MiB on in huge pages.</summary>
    public static SlabSource System { get; } = new SystemSlabs();

    /// <summary>Takes a slab of zeros, aligned to 64 bytes, that stays where it is until it is given back. False when there is none.</summary>
    /// <param name="bytes">At least 1.</param>
    public abstract bool TryTake(int bytes, out NativeView slab);

    /// <summary>Takes a slab back.</summary>
    public abstract void Return(NativeView slab);

    private sealed class SystemSlabs : SlabSource
    {
        private const int HugePageBytes = 2 << 20;

        public override bool TryTake(int bytes, out NativeView slab)
        {
            void* start;
            try
            {
                start = AlignedMemory.Allocate(bytes, HugePageBytes);
            }
            catch (OutOfMemoryException)
            {
                slab = default;
                return false;
            }

            SystemMemory.AdviseHugePages(start, bytes);
            NativeMemory.Clear(start, (nuint)bytes);
            slab = new NativeView((byte*)start, bytes);
            return true;
        }

        public override void Return(NativeView slab) => NativeMemory.AlignedFree(slab.Start);
    }
}
