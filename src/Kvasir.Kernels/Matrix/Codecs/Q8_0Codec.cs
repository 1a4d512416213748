namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>d: f16, codes: i8[32]</c>; an element is <c>d * code</c>.</summary>
internal readonly unsafe struct Q8_0Codec : IQuantCodec
{
    public static int BlockElements => 32;

    public static int BlockBytes => HalfFloat.Bytes + 32;

    public static int GroupElements => 32;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.SetGroup(HalfFloat.Read(block), 0);
        for (var i = 0; i < BlockElements; i++)
            parts.Codes[i] = (sbyte)block[HalfFloat.Bytes + i];
    }
}
