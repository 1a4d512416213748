using Kvasir.Kernels.Matrix.Tiles;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, m: f16, nibbles[16]</c>; an element is <c>d * nibble + m</c>.</summary>
internal readonly unsafe struct Q4_1Codec : IBlock32Codec
{
    public static int BlockElements => 32;

    public static int BlockBytes => 2 * HalfFloat.Bytes + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static int OffsetEights => 0;

    public static bool HasMinimum => true;

    public static int VectorsPerSum => 8;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), -HalfFloat.Read(block + HalfFloat.Bytes));
        fixed (sbyte* codes = parts.Codes)
            Nibbles.Split(block + 2 * HalfFloat.Bytes, 0, codes);
    }

    public static void Unpack<TLanes, TVector>(TileRows rows, int offset, TVector* codes)
        where TLanes : struct, IWordLanes<TVector>
        where TVector : unmanaged =>
        NibbleLanes<TLanes, TVector>.Unpack(rows, offset + 2 * HalfFloat.Bytes, codes);
}
