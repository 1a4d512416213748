using System.Buffers.Binary;
using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Support;

/// <summary>Makes stored weights for tests: simple encoders where a test cares about values, random valid blocks for every type.</summary>
internal static class BlockEncoder
{
    private const int Block = 32;

    /// <summary>Random bits with scales of either sign between about 1e-4 and 1e-2, so subnormal halves occur for types with two levels.</summary>
    public static byte[] Random(WeightType type, int columns, Random random)
    {
        var row = new byte[WeightLayout.RowBytes(type, columns)];
        random.NextBytes(row);
        var blockBytes = WeightLayout.BlockBytes(type);
        for (var start = 0; start < row.Length; start += blockBytes)
        {
            var block = row.AsSpan(start, blockBytes);
            if (type == WeightType.F32)
                BinaryPrimitives.WriteSingleLittleEndian(block, Signed(random));
            else if (type == WeightType.F16)
                WriteHalf(block, Signed(random));
            else if (type == WeightType.BF16)
                WriteBFloat(block, Signed(random));
            else
                WriteScales(type, block, random);
        }

        return row;
    }

    /// <summary>F32, F16, BF16, Q8_0 and Q4_0.</summary>
    public static byte[] Encode(WeightType type, ReadOnlySpan<float> values)
    {
        var row = new byte[WeightLayout.RowBytes(type, values.Length)];
        var (elements, bytes) = (WeightLayout.BlockElements(type), WeightLayout.BlockBytes(type));
        for (var block = 0; block < values.Length / elements; block++)
        {
            var source = values.Slice(block * elements, elements);
            var target = row.AsSpan(block * bytes, bytes);
            switch (type)
            {
                case WeightType.F32: BinaryPrimitives.WriteSingleLittleEndian(target, source[0]); break;
                case WeightType.F16: WriteHalf(target, source[0]); break;
                case WeightType.BF16: WriteBFloat(target, source[0]); break;
                case WeightType.Q8_0: EncodeQ8(source, target); break;
                case WeightType.Q4_0: EncodeQ4(source, target); break;
                default: throw new ArgumentOutOfRangeException(nameof(type));
            }
        }

        return row;
    }

    /// <summary>The offsets of the half-precision numbers in a block.</summary>
    public static int[] HalfOffsets(WeightType type) => type switch
    {
        WeightType.Q8_0 or WeightType.Q4_0 or WeightType.Q5_0 or WeightType.IQ4_NL or WeightType.IQ4_XS => [0],
        WeightType.Q4_1 or WeightType.Q5_1 or WeightType.Q4_K or WeightType.Q5_K => [0, 2],
        WeightType.Q6_K => [208],
        WeightType.Q2_K => [80, 82],
        WeightType.Q3_K => [108],
        _ => [],
    };

    public static void WriteHalf(Span<byte> target, float value) => BinaryPrimitives.WriteHalfLittleEndian(target, (Half)value);

    private static void WriteBFloat(Span<byte> target, float value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(target, (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));

    private static void WriteScales(WeightType type, Span<byte> block, Random random)
    {
        // A power of two of the same size.
        if (type == WeightType.MXFP4)
            block[0] = (byte)random.Next(115, 122);
        var twoLevels = WeightLayout.BlockElements(type) > Block;
        foreach (var offset in HalfOffsets(type))
            WriteHalf(block[offset..], Signed(random) * (twoLevels ? 1e-4f : 1e-2f));
    }

    private static void EncodeQ8(ReadOnlySpan<float> source, Span<byte> target)
    {
        var scale = Largest(source) / 127;
        WriteHalf(target, scale);
        for (var i = 0; i < Block; i++)
            target[2 + i] = (byte)(sbyte)(scale == 0 ? 0 : Math.Clamp(MathF.Round(source[i] / scale), -127, 127));
    }

    private static void EncodeQ4(ReadOnlySpan<float> source, Span<byte> target)
    {
        var scale = Largest(source) / 7;
        WriteHalf(target, scale);
        for (var i = 0; i < Block / 2; i++)
            target[2 + i] = (byte)(Nibble(source[i], scale) | (Nibble(source[i + Block / 2], scale) << 4));
    }

    private static int Nibble(float value, float scale) => scale == 0 ? 8 : Math.Clamp((int)MathF.Round(value / scale) + 8, 0, 15);

    private static float Largest(ReadOnlySpan<float> values)
    {
        var largest = 0f;
        foreach (var value in values)
            largest = MathF.Max(largest, MathF.Abs(value));
        return largest;
    }

    private static float Signed(Random random) => random.NextSingle() * 2 - 1;
}
