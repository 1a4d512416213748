using System.Buffers.Binary;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Support;

/// <summary>Every format element by element from its written definition, independent of the code under test.</summary>
internal static class SlowWeights
{
    public static float Element(WeightType type, ReadOnlySpan<byte> row, int index)
    {
        var (elements, bytes) = (WeightLayout.BlockElements(type), WeightLayout.BlockBytes(type));
        var block = row.Slice(index / elements * bytes, bytes);
        var i = index % elements;
        return type switch
        {
            WeightType.F32 => BinaryPrimitives.ReadSingleLittleEndian(block),
            WeightType.F16 => Half(block, 0),
            WeightType.BF16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(block) << 16),
            WeightType.Q8_0 => (sbyte)block[2 + i] * Half(block, 0),
            WeightType.Q4_0 => (Nibble32(block[2..], i) - 8) * Half(block, 0),
            WeightType.Q4_1 => Nibble32(block[4..], i) * Half(block, 0) + Half(block, 2),
            WeightType.Q5_0 => (Nibble32(block[6..], i) + 16 * Bit(block[2..], i) - 16) * Half(block, 0),
            WeightType.Q5_1 => (Nibble32(block[8..], i) + 16 * Bit(block[4..], i)) * Half(block, 0) + Half(block, 2),
            WeightType.Q4_K => TwoLevel(block, i / 32, Nibble256(block[16..], i)),
            WeightType.Q5_K => TwoLevel(block, i / 32, Nibble256(block[48..], i) + 16 * ((block[16 + i % 32] >> (i / 32)) & 1)),
            WeightType.Q6_K => Half(block, 208) * (sbyte)block[192 + i / 16] * (SixBits(block, i) - 32),
            WeightType.Q2_K => Half(block, 80) * (block[i / 16] % 16) * Pair(block[16..], i) - Half(block, 82) * (block[i / 16] / 16),
            WeightType.Q3_K => Half(block, 108) * (SixBitsOfThree(block[96..], i / 16) - 32) * (Pair(block[32..], i) + 4 * ((block[i % 32] >> (i / 32)) % 2) - 4),
            WeightType.IQ4_NL => Table[Nibble32(block[2..], i)] * Half(block, 0),
            WeightType.IQ4_XS => Half(block, 0) * (SixBitsOfXs(block, i / 32) - 32) * Table[Nibble32(block[(8 + i / 32 * 16)..], i % 32)],
            WeightType.MXFP4 => (float)(Math.Pow(2, block[0] - 127) * Four(Nibble32(block[1..], i))),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>The larger of the two terms that an element is the difference of: what single precision rounds by.</summary>
    public static float Size(WeightType type, ReadOnlySpan<byte> row, int index)
    {
        var (elements, bytes) = (WeightLayout.BlockElements(type), WeightLayout.BlockBytes(type));
        var block = row.Slice(index / elements * bytes, bytes);
        return type switch
        {
            WeightType.Q4_1 or WeightType.Q5_1 => MathF.Abs(Half(block, 0)) * 31 + MathF.Abs(Half(block, 2)),
            WeightType.Q4_K or WeightType.Q5_K => (MathF.Abs(Half(block, 0)) * 31 + MathF.Abs(Half(block, 2))) * 63,
            WeightType.Q2_K => (MathF.Abs(Half(block, 80)) * 3 + MathF.Abs(Half(block, 82))) * 15,
            _ => 0,
        };
    }

    // One bit of sign, two of exponent, one of mantissa.
    private static double Four(int bits)
    {
        var (exponent, mantissa) = ((bits >> 1) & 3, bits & 1);
        return (bits < 8 ? 1 : -1) * (exponent == 0 ? 0.5 * mantissa : Math.Pow(2, exponent - 1) * (1 + (0.5 * mantissa)));
    }

    private static float Half(ReadOnlySpan<byte> block, int offset) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[offset..]);

    private static int Nibble32(ReadOnlySpan<byte> nibbles, int i) => i < 16 ? nibbles[i] % 16 : nibbles[i - 16] / 16;

    private static int Bit(ReadOnlySpan<byte> bits, int i) => (bits[i / 8] >> (i % 8)) & 1;

    private static int Nibble256(ReadOnlySpan<byte> nibbles, int i)
    {
        var packed = nibbles[i / 64 * 32 + i % 32];
        return i % 64 < 32 ? packed % 16 : packed / 16;
    }

    private static int SixBits(ReadOnlySpan<byte> block, int i)
    {
        var (half, within) = (i / 128, i % 128);
        var packed = block[half * 64 + within % 64];
        var low = within < 64 ? packed % 16 : packed / 16;
        return low + 16 * ((block[128 + half * 32 + within % 32] >> (within / 32 * 2)) % 4);
    }

    private static readonly sbyte[] Table = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    private static int Pair(ReadOnlySpan<byte> pairs, int i) => (pairs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) % 4;

    private static int SixBitsOfThree(ReadOnlySpan<byte> scales, int group) =>
        (group < 8 ? scales[group] % 16 : scales[group - 8] / 16) + 16 * ((scales[8 + group % 4] >> (group / 4 * 2)) % 4);

    private static int SixBitsOfXs(ReadOnlySpan<byte> block, int group) =>
        (group % 2 == 0 ? block[4 + group / 2] % 16 : block[4 + group / 2] / 16) + 16 * ((BinaryPrimitives.ReadUInt16LittleEndian(block[2..]) >> (2 * group)) % 4);

    private static float TwoLevel(ReadOnlySpan<byte> block, int group, int code)
    {
        var packed = block.Slice(4, 12);
        var scale = group < 4 ? packed[group] % 64 : packed[group + 4] % 16 + packed[group - 4] / 64 * 16;
        var minimum = group < 4 ? packed[group + 4] % 64 : packed[group + 4] / 16 + packed[group] / 64 * 16;
        return Half(block, 0) * scale * code - Half(block, 2) * minimum;
    }
}
