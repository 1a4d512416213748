using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// <c>d: f16, dmin: f16, 6-bit scales[12], high bits[32], nibbles[128]</c>; as Q4_K with a fifth bit: bit g of byte i belongs to element i of group g.
/// </summary>
internal readonly unsafe struct Q5_KCodec : IBlock256Codec
{
    private const int ScalesAt = 2 * HalfFloat.Bytes;
    private const int HighBitsAt = ScalesAt + SixBitScales.Bytes;
    private const int NibblesAt = HighBitsAt + 32;

    public static int BlockElements => 256;

    public static int BlockBytes => NibblesAt + 128;

    public static int GroupElements => 32;

    public static int OffsetShift => 0;

    public static int VectorsPerSum => 4;

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

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        SixBitScales.Unpack<TLanes, TVector>(rows, offset, panel);
        for (var half = 0; half < 2; half++)
        {
            TLanes.LoadWords(rows, offset + HighBitsAt + half * 16, out var high0, out var high1, out var high2, out var high3);
            for (var pair = 0; pair < 4; pair++)
            {
                // Thirty-two bytes hold one group in their low nibbles and the next in their high ones; so do bits of the high bytes.
                var codes = panel.Codes + pair * 16 + half * 4;
                var source = offset + NibblesAt + pair * 32 + half * 16;
                TLanes.LoadWords(rows, source, out var word0, out var word1, out var word2, out var word3);
                Split<TLanes, TVector>(word0, high0, pair * 2, codes);
                Split<TLanes, TVector>(word1, high1, pair * 2, codes + 1);
                Split<TLanes, TVector>(word2, high2, pair * 2, codes + 2);
                Split<TLanes, TVector>(word3, high3, pair * 2, codes + 3);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Split<TLanes, TVector>(TVector word, TVector highBits, int bit, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        var (ones, nibble) = (TLanes.Fill(0x01010101), TLanes.Fill(NibbleLanes<TLanes, TVector>.LowNibbles));
        var low = TLanes.ShiftLeft(TLanes.And(TLanes.ShiftRight(highBits, bit), ones), 4);
        var high = TLanes.ShiftLeft(TLanes.And(TLanes.ShiftRight(highBits, bit + 1), ones), 4);
        codes[0] = TLanes.Or(TLanes.And(word, nibble), low);
        codes[8] = TLanes.Or(TLanes.And(TLanes.ShiftRight(word, 4), nibble), high);
    }
}
