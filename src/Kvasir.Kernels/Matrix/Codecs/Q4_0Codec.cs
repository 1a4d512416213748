using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, nibbles[16]</c>; an element is <c>d * (nibble - 8)</c>.</summary>
internal readonly unsafe struct Q4_0Codec : IBlock32Codec
{
    public static int BlockElements => 32;

    public static int BlockBytes => HalfFloat.Bytes + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static int OffsetEights => 1;

    public static bool HasMinimum => false;

    public static int VectorsPerSum => 8;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        fixed (sbyte* codes = parts.Codes)
            Nibbles.Split(block + HalfFloat.Bytes, 8, codes);
    }

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged =>
        NibbleLanes<TLanes, TVector>.Unpack(rows, offset + HalfFloat.Bytes, codes);
}
