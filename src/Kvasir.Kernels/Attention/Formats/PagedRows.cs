using System.Numerics;
using System.Runtime.CompilerServices;
using Kvasir.Kernels.Elementwise;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// The key rows, or the value rows, of one (sequence, layer, KV head). Row r lies in page r / pageTokens; where in a page of pageTokens rows
/// of keys and as many of values, <see cref="PageLayout"/> says. Pages are native memory that the caller keeps alive.
/// </summary>
public readonly unsafe ref struct PagedRows
{
    /// <summary>The widest head: panels of widened rows lie on the stack.</summary>
    public const int MaxDim = 1024;

    private readonly ReadOnlySpan<nint> _pages;
    private readonly int _pageShift;
    private readonly NewestRows? _newest;

    /// <param name="pages">Addresses of pages, in order of rows.</param>
    /// <param name="pageTokens">Rows of keys in a page: a power of two.</param>
    /// <param name="codec">How rows are stored.</param>
    /// <param name="dim">Elements in a row: 1 to <see cref="MaxDim"/>.</param>
    /// <param name="layout">Where in a page.</param>
    /// <param name="newest">The rows that are read as they came, wherever they are stored too.</param>
    internal PagedRows(ReadOnlySpan<nint> pages, int pageTokens, RowCodec codec, int dim, RowLayout layout, NewestRows? newest = null)
    {
        if (!BitOperations.IsPow2(pageTokens))
            throw new ArgumentOutOfRangeException(nameof(pageTokens), pageTokens, "a page holds a power of two rows");
        _pages = pages;
        _pageShift = BitOperations.Log2((uint)pageTokens);
        (Codec, Dim, Layout) = (codec, dim, layout);
        (_newest, FirstNewest) = (newest, newest?.First ?? int.MaxValue);
    }

    /// <summary>How rows are stored.</summary>
    public RowCodec Codec { get; }

    /// <summary>Elements in a row.</summary>
    public int Dim { get; }

    /// <summary>Rows that the pages have room for.</summary>
    public long Capacity => (long)_pages.Length << _pageShift;

    internal RowLayout Layout { get; }

    /// <summary>From this row on they are read as bf16, where <see cref="NewestRows"/> has them.</summary>
    internal int FirstNewest { get; }

    /// <summary>Rows of one kind, where a page holds nothing else: codes, then scales.</summary>
    /// <param name="pages">Addresses of pages of pageRows * codec.RowBytes(dim) bytes, in order of rows.</param>
    /// <param name="pageRows">Rows in a page: a power of two.</param>
    /// <param name="codec">How rows are stored.</param>
    /// <param name="dim">Elements in a row: 1 to <see cref="MaxDim"/>.</param>
    public static PagedRows Alone(ReadOnlySpan<nint> pages, int pageRows, RowCodec codec, int dim)
    {
        var row = codec.Parts(dim);
        var (stride, lower) = codec.Planes(row.CodeBytes, pageRows);
        return new PagedRows(pages, pageRows, codec, dim, new RowLayout(0, stride, pageRows * row.CodeBytes, row.ScaleBytes, row.ScaleBytes, lower));
    }

    /// <summary>Stores row <paramref name="row"/> by itself, as <see cref="OpenPage"/> does not: all of its bytes are written, and no others.</summary>
    /// <param name="elements">[Dim]</param>
    public void Encode(int row, ReadOnlySpan<float> elements)
    {
        Lengths.RequireEqual(elements.Length, Dim, nameof(elements));
        Codec.Encode(elements, Row(row, out _));
    }

    /// <summary>Reads row <paramref name="row"/> back; exact for what was stored.</summary>
    /// <param name="elements">[Dim]</param>
    public void Decode(int row, Span<float> elements)
    {
        Lengths.RequireEqual(elements.Length, Dim, nameof(elements));
        Codec.Decode(Row(row, out _), elements);
    }

    /// <summary>
    /// Copies rows as they are stored, for formats that store them one by one. Towards lower rows source and target may overlap; otherwise they lie in
    /// different pages.
    /// </summary>
    public void Copy(int from, int to, int count)
    {
        while (count > 0)
        {
            var (source, target) = (Row(from, out var sourceLeft), Row(to, out var targetLeft));
            var run = Math.Min(count, Math.Min(sourceLeft, targetLeft));
            CopyBytes(source.Codes, target.Codes, run * Layout.Stride);
            if (Layout.Lower > 0)
                CopyBytes(source.Lower, target.Lower, run * Layout.Stride);
            for (var row = 0; row < run && Layout.HasScales; row++)
                CopyBytes(source.Scales + row * Layout.ScaleStride, target.Scales + row * Layout.ScaleStride, Layout.ScaleBytes);
            (from, to, count) = (from + run, to + run, count - run);
        }
    }

    /// <summary>Where row <paramref name="row"/> lies; a row outside the pages throws.</summary>
    /// <param name="rowsLeft">Rows from this one to the end of its page, itself included: they follow one another.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal StoredRow Row(int row, out int rowsLeft)
    {
        var pageTokens = 1 << _pageShift;
        if (row >= FirstNewest)
        {
            rowsLeft = 1;
            return new StoredRow(_newest!.Row(row), null);
        }

        var inPage = row & (pageTokens - 1);
        rowsLeft = pageTokens - inPage;
        var page = (byte*)_pages[row >> _pageShift];
        var codes = page + Layout.FirstCode + (nint)inPage * Layout.Stride;
        return new StoredRow(codes, page + Layout.FirstScale + (nint)inPage * Layout.ScaleStride, codes + Layout.Lower);
    }

    /// <summary>The rows from <see cref="FirstNewest"/> on, as rows of bf16: row r here is row r - first of them.</summary>
    internal PagedRows Newest(out int first) => _newest!.Rows(out first);

    private static void CopyBytes(byte* from, byte* to, int count) => new ReadOnlySpan<byte>(from, count).CopyTo(new Span<byte>(to, count));
}
