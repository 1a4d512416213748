namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>e: u8, nibbles[16]</c>; an element is a number of 4 bits, doubled, times <c>2^(e - 128)</c>: the OCP's MXFP4.</summary>
internal readonly unsafe struct MXFP4Codec : ISignedCodec
{
    private const int MantissaBits = 23;

    public static int BlockElements => 32;

    public static int BlockBytes => sizeof(byte) + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static bool HasMinimum => false;

    /// <summary>0, 0.5, 1, 1.5, 2, 3, 4 and 6, doubled, and the same below zero.</summary>
    public static ReadOnlySpan<sbyte> Values => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(Scale(*block), 0);
        fixed (sbyte* codes = parts.Codes)
            TableNibbles.Split(Values, block + 1, codes);
    }

    public static void SplitWide(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(Scale(*block), 0);
        fixed (sbyte* codes = parts.Codes)
            TableNibbles.SplitWide(Values, block + 1, codes);
    }

    // The least two are subnormal: one bit of the mantissa.
    private static float Scale(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 1u << (MantissaBits - 2 + e) : (e - 1u) << MantissaBits);
}
