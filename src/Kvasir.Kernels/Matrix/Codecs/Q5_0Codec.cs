using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, high bits: u32, nibbles[16]</c>; an element is <c>d * (code - 16)</c>.</summary>
internal readonly unsafe struct Q5_0Codec : IQuantCodec
{
    public static int BlockElements => 32;

    public static int BlockBytes => HalfFloat.Bytes + sizeof(uint) + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        var highBits = block + HalfFloat.Bytes;
        fixed (sbyte* codes = parts.Codes)
            Nibbles.Split(highBits + sizeof(uint), Unsafe.ReadUnaligned<uint>(highBits), 16, codes);
    }
}
