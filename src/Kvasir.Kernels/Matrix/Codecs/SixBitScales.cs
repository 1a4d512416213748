using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

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

    /// <summary>The first sixteen bytes of a block: two halves, the scale and its minimum, and the packed scales.</summary>
    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, Panel<TVector> panel)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        TLanes.LoadWords(rows, offset, out var halves, out var word0, out var word1, out var word2);
        panel.Scale[0] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.And(halves, TLanes.Fill(0xFFFF)));
        panel.Minimum[0] = LaneHalves<TLanes, TVector>.ToFloat(TLanes.ShiftRight(halves, 16));

        var (sixBits, nibbles) = (TLanes.Fill(0x3F3F3F3F), TLanes.Fill(NibbleLanes<TLanes, TVector>.LowNibbles));
        var scales = panel.Scales;
        var minimums = panel.Minimums;
        SpreadScales<TLanes, TVector>(TLanes.And(word0, sixBits), scales);
        SpreadPairs<TLanes, TVector>(TLanes.And(word1, sixBits), minimums);
        SpreadScales<TLanes, TVector>(TLanes.Or(TLanes.And(word2, nibbles), TopBits<TLanes, TVector>(word0)), scales + Half);
        SpreadPairs<TLanes, TVector>(
            TLanes.Or(TLanes.And(TLanes.ShiftRight(word2, 4), nibbles), TopBits<TLanes, TVector>(word1)), minimums + Half / 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector TopBits<TLanes, TVector>(TVector word)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged => TLanes.And(TLanes.ShiftRight(word, 2), TLanes.Fill(0x30303030));

    /// <summary>Byte i of every lane twice as 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SpreadScales<TLanes, TVector>(TVector bytes, TVector* scales)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        scales[0] = TLanes.PickBytes(bytes, unchecked((int)0x80008000));
        scales[1] = TLanes.PickBytes(bytes, unchecked((int)0x80018001));
        scales[2] = TLanes.PickBytes(bytes, unchecked((int)0x80028002));
        scales[3] = TLanes.PickBytes(bytes, unchecked((int)0x80038003));
    }

    /// <summary>Two neighbouring bytes of every lane as 16 bits each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SpreadPairs<TLanes, TVector>(TVector bytes, TVector* minimums)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged
    {
        minimums[0] = TLanes.PickBytes(bytes, unchecked((int)0x80018000));
        minimums[1] = TLanes.PickBytes(bytes, unchecked((int)0x80038002));
    }
}
