using System.Runtime.CompilerServices;
using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, high bits: u32, nibbles[16]</c>; an element is <c>d * (code - 16)</c>.</summary>
internal readonly unsafe struct Q5_0Codec : IBlock32Codec
{
    public static int BlockElements => 32;

    public static int BlockBytes => HalfFloat.Bytes + sizeof(uint) + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static int OffsetEights => 2;

    public static bool HasMinimum => false;

    public static int VectorsPerSum => 4;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        var highBits = block + HalfFloat.Bytes;
        fixed (sbyte* codes = parts.Codes)
            Nibbles.Split(highBits + sizeof(uint), Unsafe.ReadUnaligned<uint>(highBits), 16, codes);
    }

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged =>
        NibbleLanes<TLanes, TVector>.UnpackFiveBits(rows, offset + HalfFloat.Bytes, codes);
}
