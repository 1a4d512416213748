namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>Four bits per element, sixteen bytes per 32 elements: the first half in the low nibbles, the second in the high ones.</summary>
internal static unsafe class Nibbles
{
    public const int Bytes = 16;

    public static void Split(byte* nibbles, int offset, sbyte* codes)
    {
        for (var i = 0; i < Bytes; i++)
        {
            codes[i] = (sbyte)((nibbles[i] & 15) - offset);
            codes[i + Bytes] = (sbyte)((nibbles[i] >> 4) - offset);
        }
    }

    /// <summary>Bit i of <paramref name="highBits"/> is the fifth bit of element i.</summary>
    public static void Split(byte* nibbles, uint highBits, int offset, sbyte* codes)
    {
        for (var i = 0; i < Bytes; i++)
        {
            var low = (nibbles[i] & 15) | (int)(((highBits >> i) & 1) << 4);
            var high = (nibbles[i] >> 4) | (int)(((highBits >> (i + Bytes)) & 1) << 4);
            codes[i] = (sbyte)(low - offset);
            codes[i + Bytes] = (sbyte)(high - offset);
        }
    }
}
