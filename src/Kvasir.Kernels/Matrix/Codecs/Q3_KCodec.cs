using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// <c>high bits[32], pairs[64], scales of six bits[12], d: f16</c>; sixteen groups of 16, an element is <c>d * (scale - 32) * (code - 4)</c>, where a high bit
/// is worth 4.
/// </summary>
internal readonly unsafe struct Q3_KCodec : ISignedCodec
{
    private const int Groups = 16;
    private const int PairsAt = 32;
    private const int ScalesAt = PairsAt + 64;
    private const int ScaleAt = ScalesAt + 12;

    public static int BlockElements => 256;

    public static int BlockBytes => ScaleAt + HalfFloat.Bytes;

    public static int GroupElements => 16;

    public static bool HasMinimum => false;

    public static void Split(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        for (var i = 0; i < BlockElements; i++)
        {
            var pair = block[PairsAt + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
            parts.Codes[i] = (sbyte)(pair - ((block[i % 32] >> (i / 32) & 1) == 0 ? 4 : 0));
        }
    }

    public static void SplitWide(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        fixed (sbyte* codes = parts.Codes)
        {
            Q2_KCodec.SplitPairs(block + PairsAt, codes);
            var high = Vector256.Load(block);
            for (var run = 0; run < 8; run++)
            {
                // 4 where the bit is not set.
                var missing = Vector256.AndNot(Vector256.Create((byte)4), high >>> run << 2);
                (Vector256.Load((byte*)codes + run * 32) - missing).Store((byte*)codes + run * 32);
            }
        }
    }

    private static void SplitScales(byte* block, ref BlockParts parts)
    {
        (parts.Scale, parts.Minimum) = (HalfFloat.Read(block + ScaleAt), 0);
        for (var group = 0; group < Groups; group++)
        {
            var low = block[ScalesAt + group % 8] >> (4 * (group / 8)) & 15;
            var high = block[ScalesAt + 8 + group % 4] >> (2 * (group / 4)) & 3;
            (parts.Scales[group], parts.Minimums[group]) = ((short)((low | high << 4) - 32), 0);
        }
    }
}
