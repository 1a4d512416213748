using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Matrix;

/// <summary>On a machine without AMX there is nothing to hold against the reference.</summary>
public sealed class AmxProductTest
{
    // Relative to the sum of magnitudes. Two roundings to bf16 are 1/256 of a product at most and even either way; sums of two such numbers are as good as floats.
    private const double RoundedTolerance = 2e-3;
    private const double RoundedMeanSquare = 2.5e-4;
    private const double ExactTolerance = 4e-6;

    public static TheoryData<WeightType> Types => [WeightType.Q4_0, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K, WeightType.MXFP4, WeightType.IQ4_NL, WeightType.IQ4_XS, WeightType.BF16];

    [Theory]
    [MemberData(nameof(Types))]
    public void AgreesWithDoublePrecision(WeightType type)
    {
        if (!AmxProduct.IsSupported)
            return;
        var seed = 100;
        foreach (var batch in new[] { 1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 95, 131 })
        {
            foreach (var columns in new[] { 256, 768, 1792 })
            {
                var rows = new[] { 1, 31, 32, 33, 64, 79, 97 }[seed % 7];
                AssertClose(type, rows, columns, batch, ++seed);
            }
        }
    }

    [Fact]
    public void Bf16RowsMayHaveAnyMultipleOf32Columns()
    {
        if (!AmxProduct.IsSupported)
            return;
        foreach (var columns in new[] { 32, 64, 96, 480, 544, 1056 })
            AssertClose(WeightType.BF16, 35, columns, 37, columns);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void PanelsFillOnlyTheirResults(WeightType type)
    {
        if (!AmxProduct.IsSupported)
            return;
        const int Rows = 98, Stride = 117, Batch = 51;
        using var product = ProductCase.Random(type, Rows, 768, Batch, 3);
        using var tiled = new TiledCase(product);
        var whole = new float[Batch * Rows];
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, Rows, tiled.Prepared, Batch, whole, Rows);
        foreach (var (first, count) in new[] { (32, 32), (64, 34), (32, 66) })
        {
            var part = new float[(Batch - 1) * Stride + first + count];
            Array.Fill(part, -7f);
            MatrixProduct.Multiply(tiled.Kind, tiled.Weights, first, count, tiled.Prepared, Batch, part, Stride);
            for (var i = 0; i < part.Length; i++)
            {
                var (b, row) = (i / Stride, i % Stride);
                Assert.Equal(row >= first && row < first + count ? whole[b * Rows + row] : -7f, part[i]);
            }
        }
    }

    [Fact]
    public void ARowHasItsResultInAnyBatch()
    {
        if (!AmxProduct.IsSupported)
            return;
        using var large = ProductCase.Random(WeightType.Q4_0, 64, 512, 70, 5);
        using var tiled = new TiledCase(large);
        var results = new float[70 * 64];
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, 64, tiled.Prepared, 70, results, 64);
        var prepared = new byte[16 * Activations.RowBytes(tiled.Kind, 512)];
        var own = new float[16 * 64];
        for (var b = 0; b < 16; b++)
            Activations.Prepare(tiled.Kind, large.Values(b + 50), b, 16, prepared);
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, 64, prepared, 16, own, 64);
        Assert.Equal(results[(50 * 64)..(66 * 64)], own);
    }

    [Fact]
    public void NaNsAndInfinitiesStayInTheirRow()
    {
        if (!AmxProduct.IsSupported)
            return;
        using var product = new ProductCase(
            WeightType.BF16, 32, 64, 20, _ => BlockEncoder.Random(WeightType.BF16, 64, new Random(3)), i => i == 3 * 64 + 5 ? float.NaN : i == 4 * 64 ? float.PositiveInfinity : 1);
        using var tiled = new TiledCase(product);
        var results = new float[20 * 32];
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, 32, tiled.Prepared, 20, results, 32);
        for (var b = 0; b < 20; b++)
            Assert.All(results.AsSpan(b * 32, 32).ToArray(), x => Assert.Equal(b is not (3 or 4), float.IsFinite(x)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void NothingIsAllocated(WeightType type)
    {
        if (!AmxProduct.IsSupported)
            return;
        using var product = ProductCase.Random(type, 33, 512, 37, 2);
        using var tiled = new TiledCase(product);
        var results = new float[37 * 33];
        var row = new float[512];
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, 33, tiled.Prepared, 37, results, 33);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                Activations.Prepare(tiled.Kind, row, 3, 37, tiled.Prepared);
                MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, 33, tiled.Prepared, 37, results, 33);
            }
        });
        Assert.Equal(0, bytes);
    }

    private static void AssertClose(WeightType type, int rows, int columns, int batch, int seed)
    {
        using var product = ProductCase.Random(type, rows, columns, batch, seed);
        using var tiled = new TiledCase(product);
        var results = new float[batch * rows];
        Array.Fill(results, float.NaN);
        MatrixProduct.Multiply(tiled.Kind, tiled.Weights, 0, rows, tiled.Prepared, batch, results, rows);
        var (sums, magnitudes) = product.Exact(exactActivations: true);
        var tolerance = type == WeightType.BF16 ? ExactTolerance : RoundedTolerance;
        var squares = 0.0;
        for (var i = 0; i < results.Length; i++)
        {
            squares += Math.Pow((results[i] - sums[i]) / magnitudes[i], 2);
            Assert.True(
                Math.Abs(results[i] - sums[i]) <= tolerance * magnitudes[i],
                $"{type} seed {seed}: {rows} x {columns}, batch {batch}: batch row {i / rows}, row {i % rows}: {results[i]} instead of {sums[i]}, of {magnitudes[i]}");
        }

        Assert.InRange(Math.Sqrt(squares / results.Length), 0, RoundedMeanSquare);
    }

    /// <summary>The weights of a case, packed if they can be, and its activations in tiles.</summary>
    private sealed class TiledCase : IDisposable
    {
        private readonly NativeBuffer? _buffer;

        public TiledCase(ProductCase product)
        {
            Weights = product.Weights;
            if (PackedWeights.Pays(product.Type))
            {
                _buffer = new NativeBuffer(PackedWeights.Bytes(product.Type, product.Rows, product.Columns));
                PackedWeights.Pack(product.Weights, 0, PackedWeights.PanelCount(product.Rows), _buffer.View);
                Weights = WeightMatrix.Packed(product.Type, product.Rows, product.Columns, _buffer.View);
            }

            Kind = AmxProduct.KindOf(product.Type);
            Prepared = new byte[product.Batch * Activations.RowBytes(Kind, product.Columns)];
            for (var b = 0; b < product.Batch; b++)
                Activations.Prepare(Kind, product.Values(b), b, product.Batch, Prepared);
        }

        public WeightMatrix Weights { get; }

        public ActivationKind Kind { get; }

        public byte[] Prepared { get; }

        public void Dispose() => _buffer?.Dispose();
    }
}
