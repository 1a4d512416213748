using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>Pages of equal size that something grows by: adding one allocates nothing on the managed heap.</summary>
public sealed unsafe class NativePages : IDisposable
{
    private const int Alignment = 64;
    private readonly nint[] _addresses;
    private readonly int _pageBytes;

    /// <param name="pageBytes">At least 1.</param>
    /// <param name="maxPages">The most that will be added.</param>
    public NativePages(int pageBytes, int maxPages)
    {
        _pageBytes = pageBytes;
        _addresses = new nint[maxPages];
    }

    ~NativePages() => Free();

    public int Count { get; private set; }

    public long Bytes => (long)Count * _pageBytes;

    /// <summary>Addresses of the pages so far.</summary>
    public ReadOnlySpan<nint> Addresses => _addresses.AsSpan(0, Count);

    /// <summary>Makes sure that there are at least <paramref name="count"/> pages; what new ones hold is not defined.</summary>
    /// <exception cref="OutOfMemoryException">The system has no more memory.</exception>
    public void Reserve(int count)
    {
        while (Count < count)
            _addresses[Count++] = (nint)NativeMemory.AlignedAlloc((nuint)_pageBytes, Alignment);
    }

    /// <summary>Gives back all but the first <paramref name="count"/> pages.</summary>
    public void Truncate(int count)
    {
        while (Count > count)
            NativeMemory.AlignedFree((void*)_addresses[--Count]);
    }

    /// <summary>A page as elements of some type.</summary>
    public Span<T> Page<T>(int index)
        where T : unmanaged => new((void*)_addresses[index], _pageBytes / sizeof(T));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free() => Truncate(0);
}
