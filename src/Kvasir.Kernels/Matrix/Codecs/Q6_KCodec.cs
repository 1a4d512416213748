namespace Kvasir.Kernels.Matrix.Codecs;

/// <summary><c>low nibbles[128], high pairs[64], scales: i8[16], d: f16</c>; sixteen groups of 16, an element is <c>d * scale * (code - 32)</c>.</summary>
internal readonly unsafe struct Q6_KCodec : IQuantCodec
{
    private const int HighPairsAt = 128;
    private const int ScalesAt = HighPairsAt + 64;
    private const int ScaleAt = ScalesAt + 16;

    public static int BlockElements => 256;

    public static int BlockBytes => ScaleAt + HalfFloat.Bytes;

    public static int GroupElements => 16;

    public static void Split(byte* block, ref BlockParts parts)
    {
        parts.Scale = HalfFloat.Read(block + ScaleAt);
        parts.Minimum = 0;
        for (var group = 0; group < BlockElements / GroupElements; group++)
        {
            parts.Scales[group] = (sbyte)block[ScalesAt + group];
            parts.Minimums[group] = 0;
        }

        // Either half of 128 elements is four runs of 32: runs 0 and 1 in the low nibbles of its 64 bytes, 2 and 3 in the high ones.
        for (var i = 0; i < BlockElements; i++)
        {
            var (half, run, column) = (i / 128, i / 32 % 4, i % 32);
            var low = (block[half * 64 + run % 2 * 32 + column] >> (run / 2 * 4)) & 15;
            var high = (block[HighPairsAt + half * 32 + column] >> (run * 2)) & 3;
            parts.Codes[i] = (sbyte)((low | (high << 4)) - 32);
        }
    }
}
