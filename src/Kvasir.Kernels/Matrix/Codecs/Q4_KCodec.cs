using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, dmin: f16, 6-bit scales[12], nibbles[128]</c>; eight groups of 32, an element is <c>d * scale * nibble - dmin * minimum</c>.</summary>
internal readonly unsafe struct Q4_KCodec : IBlock256Codec
{
    private const int ScalesAt = 2 * HalfFloat.Bytes;
    private const int NibblesAt = ScalesAt + SixBitScales.Bytes;

    public static int BlockElements => 256;

    public static int BlockBytes => NibblesAt + 128;

    public static int GroupElements => 32;

    public static int OffsetShift => 0;

    public static int VectorsPerSum => 8;

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

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        SixBitScales.Unpack<TLanes, TVector>(rows, offset, panel);
        for (var part = 0; part < 8; part++)
        {
            // Thirty-two bytes hold one group in their low nibbles and the next in their high ones.
            var codes = panel.Codes + part / 2 * 16 + part % 2 * 4;
            TLanes.LoadWords(rows, offset + NibblesAt + part * 16, out var word0, out var word1, out var word2, out var word3);
            NibbleLanes<TLanes, TVector>.Split(word0, codes, 8);
            NibbleLanes<TLanes, TVector>.Split(word1, codes + 1, 8);
            NibbleLanes<TLanes, TVector>.Split(word2, codes + 2, 8);
            NibbleLanes<TLanes, TVector>.Split(word3, codes + 3, 8);
        }
    }
}
