namespace Kvasir.Kernels.Attention.Formats;

/// <summary>Where rows of keys, or those of values, lie in a page.</summary>
/// <param name="FirstCode">Offset in the page.</param>
/// <param name="Stride">Bytes from one row's codes to the next's: no others lie between them.</param>
/// <param name="FirstScale">Offset in the page.</param>
/// <param name="ScaleStride">Bytes from one row's scales to the next's; 0 where all rows share theirs.</param>
/// <param name="ScaleBytes">Of one row; 0 for a format without scales.</param>
/// <param name="Lower">Bytes from a row's codes to those in the second plane, which are as many; 0 for a format with one plane.</param>
internal readonly record struct RowLayout(int FirstCode, int Stride, int FirstScale, int ScaleStride, int ScaleBytes, int Lower = 0)
{
    public bool HasScales => ScaleBytes > 0;
}
