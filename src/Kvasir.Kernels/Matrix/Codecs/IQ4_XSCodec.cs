using System.Runtime.CompilerServices;

namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary>
/// <c>d: f16, high pairs: u16, low nibbles of scales[4], nibbles[128]</c>; eight groups of 32 with scales of six bits, an element is
/// <c>d * (scale - 32) * table[nibble]</c>.
/// </summary>
internal readonly unsafe struct IQ4_XSCodec : ISignedCodec
{
    private const int Groups = 8;
    private const int LowScalesAt = HalfFloat.Bytes + sizeof(ushort);
    private const int NibblesAt = LowScalesAt + Groups / 2;

    public static int BlockElements => 256;

    public static int BlockBytes => NibblesAt + 128;

    public static int GroupElements => 32;

    public static bool HasMinimum => false;

    public static void Split(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        fixed (sbyte* codes = parts.Codes)
        {
            for (var group = 0; group < Groups; group++)
                TableNibbles.Split(TableNibbles.Iq4, block + NibblesAt + group * Nibbles.Bytes, codes + group * 32);
        }
    }

    public static void SplitWide(byte* block, ref BlockParts parts)
    {
        SplitScales(block, ref parts);
        fixed (sbyte* codes = parts.Codes)
        {
            for (var group = 0; group < Groups; group++)
                TableNibbles.SplitWide(TableNibbles.Iq4, block + NibblesAt + group * Nibbles.Bytes, codes + group * 32);
        }
    }

    private static void SplitScales(byte* block, ref BlockParts parts)
    {
        (parts.Scale, parts.Minimum) = (HalfFloat.Read(block), 0);
        var high = Unsafe.ReadUnaligned<ushort>(block + HalfFloat.Bytes);
        for (var group = 0; group < Groups; group++)
        {
            var low = block[LowScalesAt + group / 2] >> (4 * (group % 2)) & 15;
            parts.Scales[group] = (short)((low | (high >> (2 * group) & 3) << 4) - 32);
            parts.Minimums[group] = 0;
        }
    }
}
