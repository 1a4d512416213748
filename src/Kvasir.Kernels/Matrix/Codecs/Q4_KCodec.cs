namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, dmin: f16, 6-bit scales[12], nibbles[128]</c>; eight groups of 32, an element is <c>d * scale * nibble - dmin * minimum</c>.</summary>
internal readonly unsafe struct Q4_KCodec : IQuantCodec
{
    private const int ScalesAt = 2 * HalfFloat.Bytes;
    private const int NibblesAt = ScalesAt + SixBitScales.Bytes;

    public static int BlockElements => 256;

    public static int BlockBytes => NibblesAt + 128;

    public static int GroupElements => 32;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.Scale = HalfFloat.Read(block);
        parts.Minimum = HalfFloat.Read(block + HalfFloat.Bytes);
        SixBitScales.Split(block + ScalesAt, ref parts);
        for (var pair = 0; pair < 4; pair++)
        {
            for (var i = 0; i < GroupElements; i++)
            {
                var packed = block[NibblesAt + pair * GroupElements + i];
                parts.Codes[pair * 64 + i] = (sbyte)(packed & 15);
                parts.Codes[pair * 64 + GroupElements + i] = (sbyte)(packed >> 4);
            }
        }
    }
}
