using Kvasir.Kernels.Memory;

namespace Kvasir.Kernels.Attention.Formats;

/// <summary>
/// Where the rows of a page lie, by format and width: codes of keys, scales, codes of values, and what the rows of a page share. The scales of a key lie
/// beside those of its value, so that who reads both rows of a list finds them in one line of memory.
/// </summary>
public sealed class PageLayout
{
    private const int CacheLine = CacheLines.Bytes;
    private readonly RowLayout _keys;
    private readonly RowLayout _values;
    private readonly int _rowsBytes;
    private readonly int _keysSharedBytes;

    /// <param name="keyDim">Elements in a key: 1 to <see cref="PagedRows.MaxDim"/>.</param>
    /// <param name="valueDim">Elements in a value, within the same bounds.</param>
    /// <param name="pageTokens">Rows of keys in a page, and of values: a power of two.</param>
    /// <param name="part">Where in a page its rows begin, and how large the page is, if others lie in it too; nothing for a page of their own.</param>
    /// <param name="cutsKeys">
    /// Whether keys take no more than <see cref="RowCodec.CutElements"/> wants: for pages that are written whole before they are read.
    /// </param>
    public PageLayout(KvFormat format, int keyDim, int valueDim, int pageTokens, (int First, int PageBytes) part = default, bool cutsKeys = false)
    {
        ArgumentNullException.ThrowIfNull(format);
        (Format, KeyDim, ValueDim, PageTokens) = (format, keyDim, valueDim, pageTokens);
        var (key, value) = (format.Keys.Parts(keyDim), format.Values.Parts(valueDim));
        var cut = cutsKeys ? CutBytes(format.Keys, keyDim, key.CodeBytes) : key.CodeBytes;
        // What is written of the last key ends where whole lines do.
        var keys = cut == key.CodeBytes ? pageTokens * cut : ((pageTokens * cut) + key.CodeBytes - cut + CacheLine - 1) / CacheLine * CacheLine;
        var (keyScales, valueScales) = (format.Keys.SharesScales ? 0 : key.ScaleBytes, format.Values.SharesScales ? 0 : value.ScaleBytes);
        var (scales, scaleStride) = (part.First + keys, keyScales + valueScales);
        var values = scales + pageTokens * scaleStride;
        _rowsBytes = values + pageTokens * value.CodeBytes;
        _keysSharedBytes = format.Keys.SharedBytes(keyDim);
        _keys = format.Keys.SharesScales
            ? Rows(format.Keys, part.First, key, (_rowsBytes, 0))
            : Rows(format.Keys, part.First, key with { CodeBytes = cut }, (scales, scaleStride));
        _values = format.Values.SharesScales
            ? Rows(format.Values, values, value, (_rowsBytes + _keysSharedBytes, 0))
            : Rows(format.Values, values, value, (scales + keyScales, scaleStride));
        Bytes = Math.Max(part.PageBytes, _rowsBytes + _keysSharedBytes + format.Values.SharedBytes(valueDim));
        OpenBytes = format.Keys.OpenBytes(keyDim, pageTokens) + format.Values.OpenBytes(valueDim, pageTokens);
    }

    public KvFormat Format { get; }

    /// <summary>Elements in a key.</summary>
    public int KeyDim { get; }

    /// <summary>Elements in a value.</summary>
    public int ValueDim { get; }

    /// <summary>Rows of keys in a page, and of values.</summary>
    public int PageTokens { get; }

    /// <summary>Bytes of a page.</summary>
    public int Bytes { get; }

    /// <summary>Bytes of memory, beside the page's own, that a page takes while it is being written.</summary>
    public long OpenBytes { get; }

    /// <summary>The keys in these pages.</summary>
    /// <param name="pages">Addresses of pages of <see cref="Bytes"/>, in order of rows.</param>
    /// <param name="open">What writes them, whose newest rows are read as they came; null for rows as pages have them.</param>
    /// <param name="isCoarse">Whether of two planes the upper alone is read.</param>
    public PagedRows Keys(ReadOnlySpan<nint> pages, OpenPage? open = null, bool isCoarse = false) =>
        new(pages, PageTokens, isCoarse ? Format.Keys.Coarse : Format.Keys, KeyDim, _keys, open?.Newest);

    /// <summary>The values in these pages.</summary>
    /// <inheritdoc cref="Keys"/>
    public PagedRows Values(ReadOnlySpan<nint> pages, OpenPage? open = null, bool isCoarse = false) =>
        new(pages, PageTokens, isCoarse ? Format.Values.Coarse : Format.Values, ValueDim, _values, open?.Newest);

    /// <summary>Whether a full page, whoever stored it, leads to nothing outside of it. What its rows say is another question.</summary>
    public bool IsSound(ReadOnlySpan<byte> page)
    {
        for (var row = 0; row < PageTokens; row++)
        {
            var (key, value) = (_keys.FirstCode + row * _keys.Stride, _values.FirstCode + row * _values.Stride);
            if (!Format.Keys.IsSound(page.Slice(key, _keys.Stride), _rowsBytes - key)
                || !Format.Values.IsSound(page.Slice(value, _values.Stride), _rowsBytes + _keysSharedBytes - value))
                return false;
        }

        return true;
    }

    /// <summary>What writes the keys of a page; null where they are stored one by one.</summary>
    public OpenPage? OpenKeys() => Format.Keys.Open(KeyDim, PageTokens, _keys, _rowsBytes);

    /// <summary>What writes the values of a page; null where they are stored one by one.</summary>
    public OpenPage? OpenValues() => Format.Values.Open(ValueDim, PageTokens, _values, _rowsBytes + _keysSharedBytes);

    private static int CutBytes(RowCodec codec, int dim, int codeBytes)
    {
        if (codec.CutElements == RowBlocks.Elements)
            return codeBytes;
        // Nothing but elements, all of one size.
        var padded = RowBlocks.Count(dim) * RowBlocks.Elements;
        return codeBytes / padded * ((dim + codec.CutElements - 1) / codec.CutElements * codec.CutElements);
    }

    // Planes lie one behind the other, so that whoever reads one reads nothing else.
    private RowLayout Rows(RowCodec codec, int first, RowSizes row, (int First, int Stride) scales)
    {
        var (stride, lower) = codec.Planes(row.CodeBytes, PageTokens);
        return new RowLayout(first, stride, scales.First, scales.Stride, row.ScaleBytes, lower);
    }
}
