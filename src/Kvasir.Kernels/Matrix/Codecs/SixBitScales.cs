namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// The twelve bytes in which Q4_K and Q5_K keep eight 6-bit scales and eight 6-bit minimums. Bytes 0-3 and 4-7 hold the first
/// four of each in their low six bits; bytes 8-11 hold the low four bits of the last four (scale low, minimum high), whose
/// upper two bits are the top of bytes 0-3 and 4-7.
/// </summary>
internal static unsafe class SixBitScales
{
    public const int Bytes = 12;
    private const int Half = 4;

    public static void Split(byte* packed, ref BlockParts parts)
    {
        for (var i = 0; i < Half; i++)
        {
            parts.Scales[i] = (short)(packed[i] & 63);
            parts.Minimums[i] = (short)(packed[i + 4] & 63);
            parts.Scales[i + Half] = (short)((packed[i + 8] & 15) | ((packed[i] >> 6) << 4));
            parts.Minimums[i + Half] = (short)((packed[i + 8] >> 4) | ((packed[i + 4] >> 6) << 4));
        }
    }
}
