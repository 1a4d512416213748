using Kvasir.Kernels.Matrix;

namespace Kvasir.Test.Kernels.Matrix;

public sealed class WeightRowTest
{
    public static TheoryData<WeightType> Types => [.. Enum.GetValues<WeightType>()];

    [Theory]
    [MemberData(nameof(Types))]
    public void EveryElementIsWhatTheFormatDefines(WeightType type)
    {
        for (var seed = 0; seed < 20; seed++)
        {
            const int Columns = 1024;
            var row = BlockEncoder.Random(type, Columns, new Random(seed));
            var decoded = new float[Columns];
            WeightRow.Decode(type, row, decoded);
            for (var i = 0; i < Columns; i++)
                Assert.True(SlowWeights.Element(type, row, i) == decoded[i], $"{type}, seed {seed}, element {i}: {decoded[i]}");
        }
    }

    [Theory]
    [InlineData(WeightType.F32, 1, 4)]
    [InlineData(WeightType.F16, 1, 2)]
    [InlineData(WeightType.BF16, 1, 2)]
    [InlineData(WeightType.Q8_0, 32, 34)]
    [InlineData(WeightType.Q4_0, 32, 18)]
    [InlineData(WeightType.Q4_1, 32, 20)]
    [InlineData(WeightType.Q5_0, 32, 22)]
    [InlineData(WeightType.Q5_1, 32, 24)]
    [InlineData(WeightType.Q4_K, 256, 144)]
    [InlineData(WeightType.Q5_K, 256, 176)]
    [InlineData(WeightType.Q6_K, 256, 210)]
    [InlineData(WeightType.Q2_K, 256, 84)]
    [InlineData(WeightType.Q3_K, 256, 110)]
    [InlineData(WeightType.IQ4_NL, 32, 18)]
    [InlineData(WeightType.IQ4_XS, 256, 136)]
    [InlineData(WeightType.MXFP4, 32, 17)]
    public void BlocksHaveTheSizesOfTheFileFormat(WeightType type, int elements, int bytes)
    {
        Assert.Equal((elements, bytes), (WeightLayout.BlockElements(type), WeightLayout.BlockBytes(type)));
        Assert.Equal(3L * bytes, WeightLayout.RowBytes(type, 3 * elements));
    }

    [Fact]
    public void EveryHalfDecodesExactly()
    {
        var row = new byte[2 * 65536];
        for (var bits = 0; bits < 65536; bits++)
            (row[2 * bits], row[2 * bits + 1]) = ((byte)bits, (byte)(bits >> 8));
        var decoded = new float[65536];
        WeightRow.Decode(WeightType.F16, row, decoded);

        for (var bits = 0; bits < 65536; bits++)
        {
            var (exponent, mantissa) = ((bits >> 10) & 31, bits & 1023);
            var magnitude = exponent switch
            {
                0 => mantissa * Math.Pow(2, -24),
                31 => mantissa == 0 ? double.PositiveInfinity : double.NaN,
                _ => (1024 + mantissa) * Math.Pow(2, exponent - 25),
            };
            Assert.Equal((float)(bits < 32768 ? magnitude : -magnitude), decoded[bits]);
        }
    }

    // The least scales are below the smallest normal float, and the largest elements of the largest above the largest.
    [Fact]
    public void EveryScaleOfMXFP4DecodesExactly()
    {
        double[] values = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6];
        for (var e = 0; e < 255; e++)
        {
            byte[] row = [(byte)e, .. Enumerable.Range(0, 16).Select(static i => (byte)(i | ((15 - i) << 4)))];
            var decoded = Decode(WeightType.MXFP4, row, 32);
            for (var i = 0; i < 32; i++)
                Assert.Equal((float)(values[i < 16 ? i : 31 - i] * Math.Pow(2, e - 127)), decoded[i]);
        }
    }

    [Fact]
    public void GoldenQ4_0()
    {
        // d = 0.5; byte 0 = 0xF0: element 0 has nibble 0, element 16 nibble 15; the others are 8, that is zero.
        var row = Enumerable.Repeat((byte)0x88, 18).ToArray();
        (row[0], row[1], row[2]) = (0x00, 0x38, 0xF0);
        var decoded = Decode(WeightType.Q4_0, row, 32);
        Assert.Equal(-4f, decoded[0]);
        Assert.Equal(3.5f, decoded[16]);
        Assert.Equal(30, decoded.Count(value => value == 0));
    }

    [Fact]
    public void GoldenQ5_1()
    {
        // d = 2, m = -1; high bits of elements 3 and 31; nibbles 1 everywhere.
        var row = Enumerable.Repeat((byte)0x11, 24).ToArray();
        byte[] head = [0x00, 0x40, 0x00, 0xBC, 0x08, 0x00, 0x00, 0x80];
        head.CopyTo(row, 0);
        var decoded = Decode(WeightType.Q5_1, row, 32);
        Assert.Equal(33f, decoded[3]);
        Assert.Equal(33f, decoded[31]);
        Assert.Equal(30, decoded.Count(value => value == 1));
    }

    [Fact]
    public void GoldenQ4_K()
    {
        // d = 1, dmin = 0.5; scale 0 = 63 and minimum 0 = 62 with both top bits set, so groups 4 have 48 + 5 and 48 + 9.
        var row = new byte[144];
        byte[] head = [0x00, 0x3C, 0x00, 0x38, 0xFF, 0, 0, 0, 0xFE, 0, 0, 0, 0x95, 0, 0, 0];
        head.CopyTo(row, 0);
        row[16] = 0x0A;
        row[16 + 64] = 0x07;
        var decoded = Decode(WeightType.Q4_K, row, 256);
        Assert.Equal(63 * 10 - 31f, decoded[0]);
        Assert.Equal(-31f, decoded[1]);
        Assert.Equal(53 * 7 - 28.5f, decoded[128]);
        Assert.Equal(-28.5f, decoded[129]);
        Assert.Equal(0f, decoded[32]);
    }

    [Fact]
    public void GoldenQ6_K()
    {
        // d = 0.25; group 15 (elements 240-255) has scale -128; element 255 has low nibble 15 and high pair 3, so code 63.
        var row = new byte[210];
        row[207] = 0x80;
        row[209] = 0x34;
        row[127] = 0xF0;
        row[191] = 0xC0;
        var decoded = Decode(WeightType.Q6_K, row, 256);
        Assert.Equal(0.25f * -128 * 31, decoded[255]);
        Assert.Equal(0.25f * -128 * -32, decoded[240]);
        Assert.Equal(0f, decoded[239]);
    }

    [Fact]
    public void WrongLengthsAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightRow.Decode(WeightType.Q4_0, new byte[18], new float[31]));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightRow.Decode(WeightType.Q4_0, new byte[17], new float[32]));
        Assert.Throws<ArgumentOutOfRangeException>(() => WeightLayout.RowBytes((WeightType)99, 32));
    }

    private static float[] Decode(WeightType type, byte[] row, int columns)
    {
        var decoded = new float[columns];
        WeightRow.Decode(type, row, decoded);
        return decoded;
    }
}
