using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Files;

/// <summary>
/// Where pages lie that have no place in memory: each at its own number, written before it is read. For any number of threads, none of which asks for a
/// page that another writes.
/// </summary>
public interface IPageStore : IDisposable
{
    /// <summary>Pages that there is room for.</summary>
    int PageCount { get; }

    /// <summary>Bytes of a page on its way: those of a page in memory, rounded up to a multiple of 4096.</summary>
    int PageBytes { get; }

    /// <summary>Bytes of a page where it lies.</summary>
    int StoredBytes => PageBytes;

    /// <summary>Why what is read and written goes through the page cache, which takes memory of its own; null where it does not.</summary>
    string? WhyCached { get; }

    /// <summary>The most pages, from one on, that can be read or written at once: those behind them lie elsewhere.</summary>
    int RunFrom(int page);

    /// <summary>Reads pages that follow one another.</summary>
    /// <param name="memory">Takes them: whole pages, at an address that is a multiple of 4096.</param>
    /// <exception cref="IOException">They cannot be read.</exception>
    void Read(int firstPage, NativeView memory);

    /// <summary>Writes pages that follow one another; memory has them afterwards as they will be read.</summary>
    /// <exception cref="IOException">They cannot be written.</exception>
    void Write(int firstPage, NativeView memory);
}
