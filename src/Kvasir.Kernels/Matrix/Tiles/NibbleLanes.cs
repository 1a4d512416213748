using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>Blocks of <see cref="Codecs.Nibbles"/> to unsigned bytes, four consecutive elements of a row per lane.</summary>
internal static unsafe class NibbleLanes<TLanes, TVector>
    where TLanes : struct, IWordLanes<TVector>
    where TVector : unmanaged
{
    public const int LowNibbles = 0x0F0F0F0F;

    // Multiplied by a number of four bits, it puts bit i at bit 4 of byte i; no carry meets another bit.
    private const int SpreadToFifthBits = 0x02040810;
    private const int FifthBits = 0x10101010;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Unpack(TileRows rows, int offset, TVector* codes)
    {
        TLanes.LoadWords(rows, offset, out var word0, out var word1, out var word2, out var word3);
        Split(word0, codes, 4);
        Split(word1, codes + 1, 4);
        Split(word2, codes + 2, 4);
        Split(word3, codes + 3, 4);
    }

    /// <summary>Four bytes of high bits come before the nibbles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void UnpackFiveBits(TileRows rows, int offset, TVector* codes)
    {
        TLanes.LoadWords(rows, offset, out var highBits, out _, out _, out _);
        Unpack(rows, offset + sizeof(uint), codes);
        for (var i = 0; i < 8; i++)
        {
            var bits = TLanes.And(TLanes.ShiftRight(highBits, 4 * i), TLanes.Fill(15));
            var fifth = TLanes.And(TLanes.Multiply32(bits, TLanes.Fill(SpreadToFifthBits)), TLanes.Fill(FifthBits));
            codes[i] = TLanes.Or(codes[i], fifth);
        }
    }

    /// <summary>Low nibbles go to codes[0], high ones to codes[<paramref name="highAt"/>].</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(TVector word, TVector* codes, int highAt)
    {
        var mask = TLanes.Fill(LowNibbles);
        codes[0] = TLanes.And(word, mask);
        codes[highAt] = TLanes.And(TLanes.ShiftRight(word, 4), mask);
    }
}
