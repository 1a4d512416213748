using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Attention;

/// <summary>
/// The key rows, or the value rows, of one (sequence, layer, KV head). Row r lies in page r / pageTokens. A page holds pageTokens rows
/// of keys and behind them as many rows of values. Pages are native memory that the caller keeps alive.
/// </summary>
public readonly unsafe ref struct PagedRows
{
    /// <summary>The widest head: panels of widened rows lie on the stack.</summary>
    public const int MaxDim = 1024;

    private readonly ReadOnlySpan<nint> _pages;
    private readonly int _pageShift;
    private readonly int _firstByte;

    /// <param name="pages">Addresses of pages, in order of rows.</param>
    /// <param name="pageTokens">Rows of keys in a page: a power of two.</param>
    /// <param name="type">How rows are stored.</param>
    /// <param name="dim">Elements in a row: 1 to <see cref="MaxDim"/>.</param>
    /// <param name="firstByte">Where row 0 of a page begins: 0 for keys, pageTokens * RowBytes for values.</param>
    public PagedRows(ReadOnlySpan<nint> pages, int pageTokens, KvType type, int dim, int firstByte)
    {
        if (!BitOperations.IsPow2(pageTokens))
            throw new ArgumentOutOfRangeException(nameof(pageTokens), pageTokens, "a page holds a power of two rows");
        RowBytes = KvCodecs.RowBytes(type, dim);
        _pages = pages;
        (_pageShift, _firstByte) = (BitOperations.Log2((uint)pageTokens), firstByte);
        (Type, Dim) = (type, dim);
    }

    public KvType Type { get; }

    /// <summary>Elements in a row.</summary>
    public int Dim { get; }

    /// <summary>Bytes from one row to the next.</summary>
    public int RowBytes { get; }

    /// <summary>Rows that the pages have room for.</summary>
    public long Capacity => (long)_pages.Length << _pageShift;

    /// <summary>The keys in these pages; parameters as for the constructor.</summary>
    public static PagedRows Keys(ReadOnlySpan<nint> pages, int pageTokens, KvType type, int dim) => new(pages, pageTokens, type, dim, 0);

    /// <summary>The values in these pages; parameters as for the constructor.</summary>
    public static PagedRows Values(ReadOnlySpan<nint> pages, int pageTokens, KvType type, int dim) =>
        new(pages, pageTokens, type, dim, pageTokens * KvCodecs.RowBytes(type, dim));

    /// <summary>Reads row <paramref name="row"/> back; exact for what was stored.</summary>
    /// <param name="elements">[Dim]</param>
    public void Decode(int row, Span<float> elements) => KvCodecs.Decode(Type, new ReadOnlySpan<byte>(Row(row, out _), RowBytes), elements);

    /// <summary>Where row <paramref name="row"/> lies; a row outside the pages throws.</summary>
    /// <param name="rowsLeft">Rows from this one to the end of its page, itself included: they follow one another.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal byte* Row(int row, out int rowsLeft)
    {
        var pageTokens = 1 << _pageShift;
        var inPage = row & (pageTokens - 1);
        rowsLeft = pageTokens - inPage;
        return (byte*)_pages[row >> _pageShift] + _firstByte + (nint)inPage * RowBytes;
    }
}
