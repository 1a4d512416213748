namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, dmin: f16, 6-bit scales[12], high bits[32], nibbles[128]</c>; as Q4_K with a fifth bit: bit g of byte i belongs to element i of group g.</summary>
internal readonly unsafe struct Q5_KCodec : IQuantCodec
{
    private const int ScalesAt = 2 * HalfFloat.Bytes;
    private const int HighBitsAt = ScalesAt + SixBitScales.Bytes;
    private const int NibblesAt = HighBitsAt + 32;

    public static int BlockElements => 256;

    public static int BlockBytes => NibblesAt + 128;

    public static int GroupElements => 32;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.Scale = HalfFloat.Read(block);
        parts.Minimum = HalfFloat.Read(block + HalfFloat.Bytes);
        SixBitScales.Split(block + ScalesAt, ref parts);
        for (var group = 0; group < BlockElements / GroupElements; group++)
        {
            var nibbles = block + NibblesAt + group / 2 * GroupElements;
            for (var i = 0; i < GroupElements; i++)
            {
                var low = (nibbles[i] >> (group % 2 * 4)) & 15;
                var high = (block[HighBitsAt + i] >> group) & 1;
                parts.Codes[group * GroupElements + i] = (sbyte)(low | (high << 4));
            }
        }
    }
}
