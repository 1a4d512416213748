using System.Runtime.InteropServices;

namespace Kvasir.Kernels.Memory;

/// <summary>
/// Pages of equal size that something grows by: adding one allocates nothing on the managed heap. Pages that are reserved together lie one behind the other, in
/// huge pages of the system where they come to one: what is read from end to end then arrives a third sooner.
/// </summary>
public sealed unsafe class NativePages : IDisposable
{
    private const int HugePageBytes = 2 << 20;
    private const int Alignment = 64;
    private readonly nint[] _addresses;

    // Of each page, whether a stretch of memory begins there.
    private readonly bool[] _begins;
    private readonly int _pageBytes;
    private int _allocated;

    /// <param name="pageBytes">At least 1.</param>
    /// <param name="maxPages">The most that will be added.</param>
    public NativePages(int pageBytes, int maxPages)
    {
        _pageBytes = pageBytes;
        (_addresses, _begins) = (new nint[maxPages], new bool[maxPages]);
    }

    ~NativePages() => Free();

    public int Count { get; private set; }

    /// <summary>Of memory that is held: that of pages given back stays as long as others that were reserved with them do.</summary>
    public long Bytes => (long)_allocated * _pageBytes;

    /// <summary>Pages that so many elements take.</summary>
    public static int PagesFor(int elements, int perPage) => (elements + perPage - 1) / perPage;

    /// <summary>Addresses of the pages so far.</summary>
    public ReadOnlySpan<nint> Addresses => _addresses.AsSpan(0, Count);

    /// <summary>Makes sure that there are at least <paramref name="count"/> pages; what new ones hold is not defined.</summary>
    /// <exception cref="OutOfMemoryException">The system has no more memory.</exception>
    public void Reserve(int count)
    {
        if (count > _allocated)
            Allocate(count);
        Count = Math.Max(Count, count);
    }

    /// <summary>Gives back all but the first <paramref name="count"/> pages.</summary>
    public void Truncate(int count)
    {
        Count = Math.Min(Count, count);
        for (var page = _allocated - 1; page >= count; page--)
        {
            if (!_begins[page])
                continue;
            NativeMemory.AlignedFree((void*)_addresses[page]);
            _allocated = page;
        }
    }

    /// <summary>A page as elements of some type.</summary>
    public Span<T> Page<T>(int index)
        where T : unmanaged => new((void*)_addresses.AsSpan(0, Count)[index], _pageBytes / sizeof(T));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Allocate(int count)
    {
        var bytes = (long)(count - _allocated) * _pageBytes;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _addresses.Length);
        var start = AlignedMemory.Allocate(bytes, bytes >= HugePageBytes ? HugePageBytes : Alignment);
        if (bytes >= HugePageBytes)
            SystemMemory.AdviseHugePages(start, bytes);
        _begins.AsSpan(_allocated, count - _allocated).Clear();
        _begins[_allocated] = true;
        for (var at = (nint)start; _allocated < count; at += _pageBytes)
            _addresses[_allocated++] = at;
    }

    private void Free() => Truncate(0);
}
