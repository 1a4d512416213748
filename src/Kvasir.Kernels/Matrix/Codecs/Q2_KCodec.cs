using System.Runtime.Intrinsics;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// <c>scales and minimums: nibbles[16], pairs[64], d: f16, dmin: f16</c>; sixteen groups of 16, an element is <c>d * scale * pair - dmin * minimum</c>.
/// </summary>
internal readonly unsafe struct Q2_KCodec : ISignedCodec
{
    private const int Groups = 16;
    private const int PairsAt = Groups;
    private const int ScaleAt = PairsAt + 64;

    public static int BlockElements => 256;

    public static int BlockBytes => ScaleAt + 2 * HalfFloat.Bytes;

    public static int GroupElements => 16;

    public static bool HasMinimum => true;

    public static void Split(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        for (var i = 0; i < BlockElements; i++)
            parts.Codes[i] = (sbyte)(block[PairsAt + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3);
    }

    public static void SplitWide(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        fixed (sbyte* codes = parts.Codes)
            SplitPairs(block + PairsAt, codes);
    }

    /// <summary>Two bits per element: either half of 128 elements is four runs of 32, from the lowest bits of its 32 bytes to the highest.</summary>
    public static void SplitPairs(byte* pairs, sbyte* codes)
    {
        for (var half = 0; half < 2; half++)
        {
            var packed = Vector256.Load(pairs + half * 32);
            for (var run = 0; run < 4; run++)
                ((packed >>> (2 * run)) & Vector256.Create((byte)3)).Store((byte*)codes + half * 128 + run * 32);
        }
    }

    private static void SplitScales(byte* block, ref BlockParts parts)
    {
        (parts.Scale, parts.Minimum) = (HalfFloat.Read(block + ScaleAt), HalfFloat.Read(block + ScaleAt + HalfFloat.Bytes));
        for (var group = 0; group < Groups; group++)
            (parts.Scales[group], parts.Minimums[group]) = ((short)(block[group] & 15), (short)(block[group] >> 4));
    }
}
