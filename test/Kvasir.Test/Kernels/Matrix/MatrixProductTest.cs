using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Matrix;

public sealed class MatrixProductTest
{
    // Relative to the sum of magnitudes; 2048 single precision additions in any order stay well below it.
    private const double Tolerance = 4e-6;

    public static TheoryData<WeightType, string> Kernels
    {
        get
        {
            var data = new TheoryData<WeightType, string>();
            foreach (var type in Enum.GetValues<WeightType>())
            {
                foreach (var variant in MatrixProduct.Variants)
                    data.Add(type, variant.Name);
            }

            return data;
        }
    }

    public static TheoryData<WeightType> Types => [.. Enum.GetValues<WeightType>()];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void AgreesWithDoublePrecision(WeightType type, string variant)
    {
        var seed = 0;
        foreach (var batch in new[] { 1, 2, 3, 5, 8, 17 })
        {
            foreach (var columns in Columns(type))
            {
                // Around one and two tiles of 8 and of 16 rows.
                var rows = new[] { 1, 3, 8, 9, 16, 31, 33 }[seed % 7];
                using var product = ProductCase.Random(type, rows, columns, batch, ++seed);
                AssertClose(product, variant, $"{type} {variant} seed {seed}: {rows} x {columns}, batch {batch}");
            }
        }
    }

    [Theory]
    [Trait("Needs", "Seconds")]
    [MemberData(nameof(Kernels))]
    public void LargeBatchesAgreeWithDoublePrecision(WeightType type, string variant)
    {
        using var product = ProductCase.Random(type, 21, 512, 131, 7);
        AssertClose(product, variant, $"{type} {variant} seed 7");
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void ExtremesDoNotOverflow(WeightType type, string variant)
    {
        // Codes at either end, scales at either end, activations at either end and of either sign.
        foreach (var fill in new byte[] { 0x00, 0xFF, 0x7F, 0x80, 0x0F, 0xF0 })
        {
            for (var pattern = 0; pattern < 4; pattern++)
            {
                using var product = new ProductCase(type, 17, 512, 5, row => Extreme(type, 512, fill, row), i => Extreme(i, pattern));
                AssertClose(product, variant, $"{type} {variant} fill {fill:X2} pattern {pattern}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void IntegerWeightsGiveExactResults(WeightType type, string variant)
    {
        // Every partial sum is an integer below 2^24, so each order of addition gives the same, and the variants agree to the bit.
        if (type is not (WeightType.F32 or WeightType.F16 or WeightType.BF16 or WeightType.Q8_0 or WeightType.Q4_0))
            return;
        var random = new Random(11);
        float[] Row(int _)
        {
            var row = new float[96];
            for (var i = 0; i < row.Length; i++)
                row[i] = i % 32 == 0 ? (type == WeightType.Q8_0 ? 127 : 7) : random.Next(-7, 8);
            return row;
        }

        using var product = new ProductCase(type, 19, 96, 3, r => BlockEncoder.Encode(type, Row(r)), i => i % 32 == 0 ? 127 : i % 9 - 4);
        var kernel = Array.Find(MatrixProduct.Variants, candidate => candidate.Name == variant);
        if (kernel.IsSupported)
            Assert.Equal(Array.ConvertAll(product.Exact().Sums, sum => (float)sum), product.Run(kernel));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void RowRangesFillOnlyTheirResults(WeightType type)
    {
        const int Rows = 40, Stride = 45, Batch = 6, First = 5, Count = 19;
        using var product = ProductCase.Random(type, Rows, 256, Batch, 3);
        var whole = new float[Batch * Rows];
        MatrixProduct.Multiply(product.Weights, 0, Rows, product.Prepared, Batch, whole, Rows);
        var part = new float[(Batch - 1) * Stride + First + Count];
        Array.Fill(part, -7f);
        MatrixProduct.Multiply(product.Weights, First, Count, product.Prepared, Batch, part, Stride);

        for (var i = 0; i < part.Length; i++)
        {
            var (b, row) = (i / Stride, i % Stride);
            Assert.Equal(row is >= First and < First + Count ? whole[b * Rows + row] : -7f, part[i]);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void ABatchGivesWhatEachRowGivesAlone(WeightType type)
    {
        const int Rows = 20, Batch = 13;
        using var product = ProductCase.Random(type, Rows, 512, Batch, 5);
        var together = new float[Batch * Rows];
        MatrixProduct.Multiply(product.Weights, 0, Rows, product.Prepared, Batch, together, Rows);
        var rowBytes = product.Prepared.Length / Batch;
        var (_, magnitudes) = product.Exact();
        for (var b = 0; b < Batch; b++)
        {
            var alone = new float[Rows];
            MatrixProduct.Multiply(product.Weights, 0, Rows, product.Prepared.AsSpan(b * rowBytes, rowBytes), 1, alone, Rows);
            for (var r = 0; r < Rows; r++)
                Assert.InRange(Math.Abs(alone[r] - together[b * Rows + r]), 0, Tolerance * magnitudes[b * Rows + r]);
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void EmptyProductsTouchNothing(WeightType type)
    {
        using var product = ProductCase.Random(type, 2, 256, 1, 1);
        float[] results = [1, 2];
        MatrixProduct.Multiply(product.Weights, 0, 2, [], 0, results, 2);
        MatrixProduct.Multiply(product.Weights, 2, 0, product.Prepared, 1, results, 2);
        Assert.Equal([1, 2], results);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void NothingIsAllocated(WeightType type)
    {
        using var product = ProductCase.Random(type, 33, 512, 9, 2);
        var results = new float[9 * 33];
        var row = new float[512];
        MatrixProduct.Multiply(product.Weights, 0, 33, product.Prepared, 9, results, 33);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                Activations.Prepare(Activations.KindOf(type), row, product.Prepared.AsSpan(0, product.Prepared.Length / 9));
                MatrixProduct.Multiply(product.Weights, 0, 33, product.Prepared, 9, results, 33);
            }
        });
        Assert.Equal(0, bytes);
    }

    [Fact]
    public void WrongShapesAreRefused()
    {
        using var product = ProductCase.Random(WeightType.Q8_0, 4, 64, 2, 1);
        var results = new float[8];
        void Multiply(int first, int count, int bytes, int batch, int length, int stride) =>
            MatrixProduct.Multiply(product.Weights, first, count, product.Prepared.AsSpan(0, bytes), batch, results.AsSpan(0, length), stride);

        var bytes = product.Prepared.Length;
        Multiply(0, 4, bytes, 2, 8, 4);
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(1, 4, bytes, 2, 8, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(-1, 2, bytes, 2, 8, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(0, 5, bytes, 1, 8, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(int.MaxValue, 4, bytes, 1, 8, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(0, 4, bytes - 1, 2, 8, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(0, 4, bytes, 2, 7, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(0, 4, bytes, 2, 8, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => Multiply(0, 4, bytes, -1, 8, 4));
    }

    [Fact]
    public void AMatrixMustFitItsView()
    {
        using var buffer = new NativeBuffer(100);
        Assert.Equal(36L, new WeightMatrix(WeightType.Q4_0, 2, 32, buffer.View).Bytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => new WeightMatrix(WeightType.Q4_0, 6, 32, buffer.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WeightMatrix(WeightType.Q4_0, 1, 33, buffer.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WeightMatrix(WeightType.Q4_0, 2, 32, buffer.View).Row(2));
    }

    private static int[] Columns(WeightType type) => WeightLayout.BlockElements(type) switch
    {
        1 => [1, 7, 15, 33, 256, 1027, 2048],
        32 => [32, 96, 256, 288, 2048],
        _ => [256, 768, 2048],
    };

    private static byte[] Extreme(WeightType type, int columns, byte fill, int row)
    {
        var bytes = new byte[WeightLayout.RowBytes(type, columns)];
        if (WeightLayout.BlockElements(type) == 1)
        {
            var values = new float[columns];
            Array.Fill(values, fill - 127f);
            return BlockEncoder.Encode(type, values);
        }

        Array.Fill(bytes, fill);
        float[] scales = [0, 1, -1, 100, -100, 6e-8f, 3e-5f];
        for (var start = 0; start < bytes.Length; start += WeightLayout.BlockBytes(type))
        {
            // Beyond these scales a sum of a row is no float.
            if (type == WeightType.MXFP4)
                bytes[start] = (byte)((row % 2) == 0 ? 0 : 200);
            foreach (var offset in BlockEncoder.HalfOffsets(type))
                BlockEncoder.WriteHalf(bytes.AsSpan(start + offset), scales[(row + offset) % scales.Length]);
        }

        return bytes;
    }

    private static float Extreme(int index, int pattern) => pattern switch
    {
        0 => 127,
        1 => -127,
        2 => index % 2 == 0 ? 1e4f : -1e4f,
        _ => 0,
    };

    private static void AssertClose(ProductCase product, string name, string where)
    {
        var variant = Array.Find(MatrixProduct.Variants, candidate => candidate.Name == name);
        if (!variant.IsSupported)
            return;
        var results = product.Run(variant);
        var (sums, magnitudes) = product.Exact();
        for (var i = 0; i < results.Length; i++)
        {
            var error = Math.Abs(results[i] - sums[i]);
            Assert.True(error <= Tolerance * magnitudes[i], $"{where}, result {i}: {results[i]} for {sums[i]}, magnitude {magnitudes[i]}");
        }
    }
}
