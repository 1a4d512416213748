namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Pages whose rows are stored elsewhere in another format, row by row: what comes back is within <see cref="RowCodec.ErrorShare"/> of what went, each time
/// that it goes.
/// </summary>
public sealed class PageRecoding
{
    // Elements, and rows, of a page that any format can have.
    private const int AnyCount = 32;
    private readonly PageLayout _near;
    private readonly PageLayout _far;

    /// <param name="near">Of pages as they are read and written.</param>
    /// <param name="far">How their rows are stored there.</param>
    /// <exception cref="ArgumentException">One of them stores rows together, whose range is the page's own.</exception>
    public PageRecoding(PageLayout near, KvFormat far)
    {
        ArgumentNullException.ThrowIfNull(near);
        ArgumentNullException.ThrowIfNull(far);
        if (!Suits(near.Format) || !Suits(far))
            throw new ArgumentException($"rows of {near.Format.Name} cannot be stored as {far.Name} one by one", nameof(far));
        (_near, _far) = (near, new PageLayout(far, near.KeyDim, near.ValueDim, near.PageTokens));
    }

    /// <summary>Of a page as it is read and written.</summary>
    public int NearBytes => _near.Bytes;

    /// <summary>Of the same page there.</summary>
    public int FarBytes => _far.Bytes;

    /// <summary>Whether a format stores rows one by one: what is stored together is kept beside until a page is full.</summary>
    public static bool Suits(KvFormat format) => new PageLayout(format, AnyCount, AnyCount, AnyCount).OpenBytes == 0;

    /// <param name="near">Where the page begins.</param>
    /// <param name="far">Where it is to begin there.</param>
    public void Encode(nint near, nint far)
    {
        Copy(_near.Keys([near]), _far.Keys([far]));
        Copy(_near.Values([near]), _far.Values([far]));
    }

    /// <inheritdoc cref="Encode"/>
    public void Decode(nint far, nint near)
    {
        Copy(_far.Keys([far]), _near.Keys([near]));
        Copy(_far.Values([far]), _near.Values([near]));
    }

    private static void Copy(PagedRows from, PagedRows to)
    {
        Span<float> elements = stackalloc float[PagedRows.MaxDim];
        elements = elements[..from.Dim];
        for (var row = 0; row < from.Capacity; row++)
        {
            from.Decode(row, elements);
            to.Encode(row, elements);
        }
    }
}
