namespace Kvasir.Kernels.Attention;

/// <summary>What a format stores of one row.</summary>
/// <param name="CodeBytes">Of its codes, with whatever must lie beside them: a multiple of 4, at least 32.</param>
/// <param name="ScaleBytes">Of the scales that lie apart from them: a multiple of 4, or 0 where there are none.</param>
internal readonly record struct RowSizes(int CodeBytes, int ScaleBytes)
{
    public int Bytes => CodeBytes + ScaleBytes;
}
