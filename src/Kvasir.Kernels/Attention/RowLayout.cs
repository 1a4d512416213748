namespace Kvasir.Kernels.Attention;

/// <summary>
/// Where the rows of keys, or those of values, lie in a page: codes of keys, scales, codes of values. The scales of a key lie beside those of its value,
/// so that who reads both rows of a list finds them in one line of memory.
/// </summary>
/// <param name="FirstCode">Offset in the page.</param>
/// <param name="Stride">Bytes from one row's codes to the next's: no others lie between them.</param>
/// <param name="FirstScale">Offset in the page.</param>
/// <param name="ScaleStride">Bytes from one row's scales to the next's; 0 where all rows share theirs.</param>
/// <param name="ScaleBytes">Of one row; 0 for a format without scales.</param>
internal readonly record struct RowLayout(int FirstCode, int Stride, int FirstScale, int ScaleStride, int ScaleBytes)
{
    public bool HasScales => ScaleBytes > 0;

    /// <summary>The keys of a page of <paramref name="pageTokens"/> rows of each.</summary>
    public static RowLayout Keys(RowParts row, int pageTokens) =>
        new(0, row.CodeBytes, pageTokens * row.CodeBytes, 2 * row.ScaleBytes, row.ScaleBytes);

    /// <summary>The values of such a page.</summary>
    public static RowLayout Values(RowParts row, int pageTokens)
    {
        var keys = Keys(row, pageTokens);
        return keys with { FirstCode = keys.FirstScale + pageTokens * keys.ScaleStride, FirstScale = keys.FirstScale + row.ScaleBytes };
    }
}
