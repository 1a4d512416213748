namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, nibbles[16]</c>; an element is <c>d * table[nibble]</c>.</summary>
internal readonly unsafe struct IQ4_NLCodec : ISignedCodec
{
    public static int BlockElements => 32;

    public static int BlockBytes => HalfFloat.Bytes + Nibbles.Bytes;

    public static int GroupElements => 32;

    public static bool HasMinimum => false;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        fixed (sbyte* codes = parts.Codes)
            TableNibbles.Split(TableNibbles.Iq4, block + HalfFloat.Bytes, codes);
    }

    public static void SplitWide(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        fixed (sbyte* codes = parts.Codes)
            TableNibbles.SplitWide(TableNibbles.Iq4, block + HalfFloat.Bytes, codes);
    }
}
