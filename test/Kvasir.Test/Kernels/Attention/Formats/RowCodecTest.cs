using System.Runtime.InteropServices;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Test.Kernels.Attention.Formats;

public sealed class RowCodecTest
{
    private static readonly int[] Dims = [1, 2, 15, 31, 32, 33, 64, 80, 96, 100, 128, 255, 256, 1024];

    [Theory]
    [InlineData("f32", 128, 512)]
    [InlineData("bf16", 128, 256)]
    [InlineData("f32", 1, 128)]
    [InlineData("bf16", 33, 128)]
    [InlineData("q8", 64, 68)]
    [InlineData("q8", 128, 136)]
    [InlineData("q8", 80, 104)]
    [InlineData("q8", 33, 68)]
    [InlineData("q8", 1, 36)]
    [InlineData("int8", 128, 136)]
    [InlineData("int8", 33, 72)]
    [InlineData("int8-channel", 128, 136)]
    public void RowsHaveStatedSizes(Kv type, int dim, int bytes) => Assert.Equal(bytes, ((KvFormat)type).Values.RowBytes(dim));

    [Fact]
    public void F32RowsComeBackBitForBit()
    {
        float[] row = [0f, -0f, float.NaN, float.PositiveInfinity, float.Epsilon, MathF.PI];
        Assert.Equal(MemoryMarshal.AsBytes<float>(row).ToArray(), MemoryMarshal.AsBytes<float>(RoundTrip(RowCodec.F32, row)).ToArray());
    }

    [Theory]
    [InlineData(0x3F800000u, 0x3F80)]
    [InlineData(0x3F808000u, 0x3F80)] // a tie goes to the even neighbour, here below
    [InlineData(0x3F818000u, 0x3F82)] // and here above
    [InlineData(0x3F808001u, 0x3F81)]
    [InlineData(0x3F807FFFu, 0x3F80)]
    [InlineData(0xBF808001u, 0xBF81)]
    [InlineData(0x7F7FFFFFu, 0x7F80)] // the largest float is nearer to infinity
    [InlineData(0x7F800000u, 0x7F80)]
    [InlineData(0xFF800000u, 0xFF80)]
    [InlineData(0x7FC00000u, 0x7FC0)]
    [InlineData(0x7F800001u, 0x7FC0)] // a NaN stays one though its payload is cut
    [InlineData(0xFFFFFFFFu, 0xFFFF)]
    [InlineData(0x80000000u, 0x8000)]
    [InlineData(0x00000001u, 0x0000)]
    public void Bf16RoundsToNearestEven(uint bits, int expected)
    {
        // Long enough for every vector width, and an end.
        var row = new float[37];
        Array.Fill(row, BitConverter.UInt32BitsToSingle(bits));
        var stored = new byte[RowCodec.BF16.RowBytes(row.Length)];
        RowCodec.BF16.Encode(row, stored);
        Assert.All(MemoryMarshal.Cast<byte, ushort>(stored)[..row.Length].ToArray(), s => Assert.Equal(expected, s));
        Assert.All(RoundTrip(RowCodec.BF16, row), x => Assert.Equal((uint)expected << 16, BitConverter.SingleToUInt32Bits(x)));
    }

    [Fact]
    public void Q8IsWithinHalfAStepOfItsBlock()
    {
        foreach (var dim in Dims)
        {
            var row = AttentionCase.Normal(new Random(dim), dim);
            var seen = RoundTrip(RowCodec.Q8, row);
            for (var i = 0; i < dim; i++)
            {
                var block = row[(i / 32 * 32)..Math.Min(dim, i / 32 * 32 + 32)];
                // The scale is rounded up to 8 significant bits.
                var step = block.Max(MathF.Abs) / 127 * (1 + 1f / 128);
                Assert.True(MathF.Abs(seen[i] - row[i]) <= step * 0.5001f, $"dim {dim}, element {i}: {seen[i]} for {row[i]}");
            }
        }
    }

    [Fact]
    public void PagesByChannelHoldTheirRangesToo()
    {
        Assert.Equal(64 * 256, KvFormat.BF16.Page(128, 32).Bytes);
        Assert.Equal(64 * 136 + 8 * 128, KvFormat.Int8.Page(128, 32).Bytes);
        Assert.Equal(64 * 136 + 16 * 128, KvFormat.Int8Channel.Page(128, 32).Bytes);
    }

    [Fact]
    public void Int8IsWithinHalfAStepOfItsRow()
    {
        foreach (var dim in Dims)
        {
            foreach (var offset in (float[])[0, 3, -100])
            {
                var row = AttentionCase.Normal(new Random(dim), dim).Select(x => x + offset).ToArray();
                var seen = RoundTrip(RowCodec.Int8, row);
                var step = (row.Max() - row.Min()) / 255;
                for (var i = 0; i < dim; i++)
                    Assert.True(MathF.Abs(seen[i] - row[i]) <= step * 0.5001f + 1e-6f * MathF.Abs(row[i]), $"dim {dim}, element {i}: {seen[i]} for {row[i]}");
            }
        }
    }

    [Fact]
    public void Int8KeepsEqualElementsAndNeverHidesNaN()
    {
        foreach (var x in (float[])[0, 1, -0.1f, 1e-40f, 3e38f])
        {
            var row = new float[70];
            Array.Fill(row, x);
            Assert.Equal(row, RoundTrip(RowCodec.Int8, row));
            row[40] = float.NaN;
            Assert.All(RoundTrip(RowCodec.Int8, row), seen => Assert.True(float.IsNaN(seen)));
        }

        float[] widest = [-3e38f, 3e38f, 0];
        Assert.All(RoundTrip(RowCodec.Int8, widest).Zip(widest), pair => Assert.Equal(pair.Second, pair.First, 2e36f));
    }

    [Fact]
    public void Q8KeepsTheLargestOfABlockAndZeros()
    {
        foreach (var dim in Dims)
        {
            Assert.All(RoundTrip(RowCodec.Q8, new float[dim]), x => Assert.Equal(0, x));
            var row = new float[dim];
            row[^1] = -127f;
            Assert.Equal(row, RoundTrip(RowCodec.Q8, row));
        }
    }

    [Fact]
    public void Q8NeverHidesNaN()
    {
        foreach (var bad in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            var row = new float[70];
            row[40] = bad;
            var seen = RoundTrip(RowCodec.Q8, row);
            Assert.True(float.IsNaN(seen[40]));
            Assert.Equal(0, seen[0]);
            Assert.Equal(0, seen[69]);
        }
    }

    [Fact]
    public void Q8SurvivesTheSmallestNumbers()
    {
        var row = new float[33];
        (row[0], row[1], row[32]) = (float.Epsilon, -1e-39f, 1e-36f);
        Assert.All(RoundTrip(RowCodec.Q8, row), x => Assert.True(float.IsFinite(x)));
    }

    [Fact]
    public void EncodingWritesEveryByteOfTheRow()
    {
        foreach (var dim in Dims)
        {
            foreach (var codec in KvFormat.Table.SelectMany(row => (RowCodec[])[row.Keys, row.Values]))
            {
                var row = AttentionCase.Normal(new Random(dim), dim);
                var (first, second) = (new byte[codec.RowBytes(dim)], new byte[codec.RowBytes(dim)]);
                Array.Fill(second, (byte)0xAA);
                codec.Encode(row, first);
                codec.Encode(row, second);
                Assert.Equal(first, second);
            }
        }
    }

    [Fact]
    public void WrongSizesThrow()
    {
        Assert.Throws<ArgumentException>(() => RowCodec.BF16.Encode(new float[4], new byte[9]));
        Assert.Throws<ArgumentException>(() => RowCodec.BF16.Decode(new byte[7], new float[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => RowCodec.BF16.RowBytes(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => RowCodec.BF16.RowBytes(PagedRows.MaxDim + 1));
    }

    private static float[] RoundTrip(RowCodec codec, float[] row)
    {
        var stored = new byte[codec.RowBytes(row.Length)];
        codec.Encode(row, stored);
        var seen = new float[row.Length];
        codec.Decode(stored, seen);
        return seen;
    }
}
